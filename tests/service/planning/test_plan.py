"""The plan: what a spec means for the trials of each role."""

from typing import Any

import pytest

from metaopt.algorithms.registry import complete
from service.db.roles import ROLES
from service.planning.plan import INCUMBENT, Plan
from service.wire.spec.study import StudySpec
from tests.fakes.specs import NAMED, small_spec

MAML = [{"algorithm": "maml", "space": {"inner_lr": "default", "meta_batch": 4}}]


def plan(**changes: Any) -> Plan:
    return Plan.of(small_spec(**changes))


def gated(spec: StudySpec, **incumbent: Any) -> Plan:
    """The plan of a study whose gates compare with the first version of a baseline."""
    promoted = {
        "name": "main",
        "version": 1,
        "branch": "maml",
        "params": complete("maml", {"inner_lr": 0.3}),
        "model": {"kind": "mlp", "widths": [7]},
        "meta_iterations": 90,
        **incumbent,
    }
    gates = {"rules": ["better"], "baseline": "main", "incumbent": promoted}
    data = spec.model_dump(mode="json")
    return Plan.of(StudySpec.model_validate({**data, "gates": {**data["gates"], **gates}}))


def test_only_the_search_is_judged_at_rungs() -> None:
    pruned = plan(pruning={"kind": "successive_halving", "rungs": [60, 120]})
    assert pruned["search"].rungs == (60, 120, 180)
    for role in set(ROLES) - {"search"}:
        assert pruned[role].rungs == (180,)


def test_segments_of_fresh_trainings_stop_where_their_program_changes() -> None:
    pruning = {"kind": "successive_halving", "rungs": [60, 120], "first_order_until": 60}
    switched = plan(pruning=pruning, branches=MAML)
    assert switched["search"].stops == (60, 120, 180)
    assert switched["verdict"].stops == (60, 180)
    assert plan(branches=MAML)["verdict"].stops == (180,)


def test_a_trial_is_scored_on_fewer_tasks_at_the_rungs_of_the_search_only() -> None:
    cheap = plan(pruning={"kind": "successive_halving", "rungs": [60], "tasks": [5]})
    assert [cheap["search"].tasks_at(rung) for rung in (60, 180)] == [5, 20]
    assert [cheap["replica"].tasks_at(rung) for rung in (60, 180)] == [20, 20]


def test_each_bank_has_tasks_of_its_own() -> None:
    banks = {name: Plan.of(small_spec())[name].bank for name in ROLES}
    assert banks["search"] == banks["replica"]
    assert banks["candidate"] == banks["incumbent"]
    three = [banks[name] for name in ("search", "verdict", "candidate")]
    assert [bank.split for bank in three] == ["validation", "test", "test"]
    assert len({bank.seed for bank in three}) == 3


def test_an_incumbent_is_trained_as_it_was_promoted() -> None:
    spec = small_spec(pruning={"kind": "successive_halving", "rungs": [60, 120]}, branches=MAML)
    compared = gated(spec, first_order_until=30)
    incumbent, candidate = compared["incumbent"], compared["candidate"]
    assert (incumbent.horizon, incumbent.rungs, incumbent.stops) == (90, (90,), (30, 90))
    assert (candidate.horizon, candidate.stops) == (180, (180,))
    assert incumbent.spec.model != candidate.spec.model == spec.model
    assert incumbent.switches_order_at({"order": "second"}) == 30
    assert candidate.switches_order_at({"order": "second"}) is None


def test_every_role_selects_its_best_at_the_search_s_rungs_on_meta_validation_tasks() -> None:
    pruning = {"kind": "successive_halving", "rungs": [60, 120], "tasks": [4, 10]}
    best = plan(pruning=pruning, evaluation={"tasks": 20, "keep": "best", "statistic": "median"})
    for role in ROLES:
        selection = best[role].selection
        assert selection is not None
        assert dict(selection.tasks_at) == {60: 4, 120: 10, 180: 20}
        assert selection.bank == best["search"].bank and selection.bank.split == "validation"
        assert (selection.statistic, selection.maximize) == ("median", False)
        assert best[role].stops == (60, 120, 180)
    assert best["verdict"].rungs == (180,), "the sealed tasks see its end only"
    assert all(plan(pruning=pruning)[role].selection is None for role in ROLES)


def test_an_incumbent_selects_among_the_rungs_of_its_promotion() -> None:
    spec = small_spec(branches=MAML, evaluation={"tasks": 20, "keep": "best"})
    selected = gated(spec, selected_at=[30, 90])
    incumbent, candidate = selected["incumbent"], selected["candidate"]
    assert incumbent.selection is not None and candidate.selection is not None
    assert (dict(incumbent.selection.tasks_at), incumbent.stops) == ({30: 20, 90: 20}, (30, 90))
    assert candidate.stops == (60, 120, 180)
    last = gated(spec)["incumbent"]
    assert (last.selection, last.stops) == (None, (90,))
    with pytest.raises(ValueError, match=r"must rise to meta_iterations = 90, got \[90, 30\]"):
        gated(spec, selected_at=[90, 30])


def test_the_candidate_is_compared_with_the_baseline_whatever_branch_leads() -> None:
    compared = gated(small_spec())["candidate"].compared_with
    assert {branch: beside[INCUMBENT].branch for branch, beside in compared.items()} == {
        "maml": "maml",
        "reptile": "maml",
    }
    assert compared["reptile"][INCUMBENT].params["inner_lr"] == 0.3
    assert Plan.of(small_spec())["candidate"].compared_with == {}


@pytest.mark.parametrize(("branch", "beside"), [("wide", "wide"), ("maml", "first")])
def test_a_baseline_is_trained_by_the_branch_of_its_name_or_its_algorithm(
    branch: str, beside: str
) -> None:
    compared = gated(small_spec(**NAMED), branch=branch, algorithm="maml")
    found = compared["candidate"].compared_with.values()
    assert {one[INCUMBENT].branch for one in found} == {beside}
    promoted = compared["incumbent"]
    models = {promoted.spec.model_of(each).chosen()["widths"][0] for each in promoted.spec.branches}
    assert models == {7}
    assert promoted.costing[beside].model["widths"] == [7]
    assert compared["candidate"].costing["wide"].model["widths"] == [24]


@pytest.mark.parametrize("compare", ["default", "none"])
def test_finalists_are_compared_with_the_defaults_of_the_branch_that_leads(compare: str) -> None:
    spec = small_spec(verdict={"compare": compare})
    compared = Plan.of(spec)["verdict"].compared_with
    assert set(compared) == ({"maml", "reptile"} if compare == "default" else set())
    assert all(set(beside) == {"default"} for beside in compared.values())
    assert Plan.of(spec)["search"].compared_with == {}


def test_a_changed_budget_makes_a_new_plan_and_leaves_the_old_one() -> None:
    spec = small_spec()
    before = Plan.of(spec)
    budget = spec.budget.model_copy(update={"meta_iterations": 360})
    after = Plan.of(spec.model_copy(update={"budget": budget}))
    assert (before["search"].horizon, after["search"].horizon) == (180, 360)
