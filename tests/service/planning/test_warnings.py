"""Warnings: what of a spec has no effect, or may not be meant so."""

from typing import Any

import pytest

from service.planning.warnings import repeats, warnings
from service.wire.spec.study import StudySpec
from tests.fakes.specs import LEAST, NAMED, SMALL, SPEC, WATCHED, small_spec

TWO = {"inner_optimizer": {"choices": ["sgd", "adam"]}}


def of_space(space: dict[str, Any] | None, trials: int, sampler: str = "random") -> list[str]:
    branch = {"algorithm": "reptile"} if space is None else {"algorithm": "reptile", "space": space}
    return list(
        repeats(small_spec(branches=[branch], search={"sampler": sampler}), {"reptile": trials})
    )


@pytest.mark.parametrize("space", [{}, {"epsilon": 0.5}])
def test_one_configuration_with_many_seeds_is_said(space: dict[str, Any]) -> None:
    (warning,) = of_space(space, 12)
    assert warning.startswith(
        "branch reptile has nothing to search: its 12 trials train one configuration with 12 seeds"
    )
    assert "leave space out to search the documented ranges" in warning
    assert of_space(space, 1) == []


def test_few_configurations_are_counted() -> None:
    (warning,) = of_space(TWO, 24)
    assert warning.startswith("branch reptile has 2 different configurations: its 24 trials repeat")
    assert "sampler grid" in warning
    assert of_space(TWO, 2) == []
    steps = {**TWO, "inner_steps": {"low": 3, "high": 6}}
    assert "has 8 different" in of_space(steps, 9)[0] and of_space(steps, 8) == []


def test_a_range_has_no_end() -> None:
    assert of_space({"epsilon": "default"}, 10_000) == of_space(None, 10_000) == []


def test_a_grid_trains_each_once() -> None:
    assert of_space({}, 12, "grid") == [
        "the grid of branch reptile has one point for 12 trials: each is trained once"
    ]
    assert "has 5 points for 12 trials" in of_space({"epsilon": "default"}, 12, "grid")[0]
    assert of_space({"epsilon": "default"}, 5, "grid") == []


def test_each_branch_is_judged_by_its_own_trials() -> None:
    branches = [{"algorithm": "maml", "space": {}}, {"algorithm": "reptile", "space": {}}]
    found = list(repeats(small_spec(branches=branches), {"maml": 1, "reptile": 2}))
    assert len(found) == 1 and found[0].startswith("branch reptile")


MAML = SMALL["branches"][:1]
OMNIGLOT = {
    "tasks": {"kind": "omniglot", "n_way": 5, "k_shot": 1},
    "model": {"kind": "conv4"},
    "branches": [{"algorithm": "maml", "space": {"inner_lr": {"low": 0.01, "high": 0.1}}}],
}


def said(**changes: Any) -> list[str]:
    return warnings(small_spec(**{"branches": MAML, **changes}))


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        (
            {"pruning": {"kind": "successive_halving"}, "budget": {"meta_iterations": 9}},
            "pruning.kind = successive_halving stops no trial: there is no rung below "
            "budget.meta_iterations = 9; name some in pruning.rungs, raise the budget, or take "
            "pruning.kind none",
        ),
        ({"pruning": {"kind": "asha"}, "budget": {"meta_iterations": 29}}, "asha stops no trial"),
        ({"pruning": {"kind": "asha"}, "budget": {"trials": 1}}, "has another to compare it with"),
        (
            {"pruning": {"kind": "median", "startup_trials": 6}, "budget": {"trials": 6}},
            "pruning.startup_trials = 6 have to come first, and no branch has more than 6",
        ),
        (
            {"pruning": {"kind": "asha", "reduction": 4}, "budget": {"trials": 3}},
            "trains no more than one trial of a branch to its end",
        ),
        (
            {"pruning": {"kind": "asha", "alpha": 0.1}},
            "pruning.alpha = 0.1 has no effect: pruning.kind asha does not read it, race does",
        ),
        (
            {"pruning": {"kind": "none", "startup_trials": 9}},
            "pruning.kind none does not read it, median, percentile, race do",
        ),
        (
            {"pruning": {"kind": "median", "rungs": [60], "reduction": 4}},
            "pruning.reduction = 4 has no effect",
        ),
        (
            {"pruning": {"kind": "none", "metric": "diverged_share"}},
            "pruning.metric = diverged_share has no effect",
        ),
        (
            {"search": {"sampler": "random", "startup_trials": 3}},
            "search.startup_trials = 3 has no effect: sampler random does not read it, auto, gp",
        ),
        (
            {"search": {"sampler": "tpe", "grid_points": 7}},
            "search.grid_points = 7 has no effect: sampler tpe does not read it, grid does",
        ),
        (
            {"branches": [{"algorithm": "maml", "space": {"inner_steps": {"low": 1, "high": 5}}}],
             "search": {"sampler": "grid", "grid_points": 3}, "budget": {"trials": 5}},
            "no range of real numbers is searched",
        ),
        (
            {"search": {"sampler": "tpe"}, "budget": {"trials": 10}},
            "search.sampler = tpe never models: search.startup_trials = 10 trials",
        ),
        ({"search": {"allocation": "even"}}, "search.allocation = even has no effect: there is"),
        ({"search": {"floor": 0.2}}, "search.floor = 0.2 has no effect: there is one branch"),
        ({"branches": [{**MAML[0], "share": 2}]}, "branches[0].share = 2 has no effect"),
        (
            {"branches": [{**MAML[0], "share": 2}, SMALL["branches"][1]],
             "search": {"allocation": "even"}},
            "branches have a share",
        ),
        (
            {"branches": SMALL["branches"], "search": {"floor": 0.2}, "budget": {"trials": 6}},
            "the branches have too few trials for results to move any",
        ),
        (
            {"verdict": {"finalists": 9}, "budget": {"trials": 6}},
            "verdict.finalists = 9 are more than the 6 trials",
        ),
        (
            {"verdict": {"finalists": 6, "extra_finalists": 2}, "budget": {"trials": 6}},
            "verdict.extra_finalists = 2 has no effect",
        ),
        (
            {"budget": {"trials": 6, "meta_iterations": 180, "total_meta_iterations": 1080}},
            "budget.total_meta_iterations = 1080 has no effect: 6 trials of 180 train 1080 at most",
        ),
        (
            {"budget": {"meta_iterations": 180, "total_meta_iterations": 40}},
            "is spent before any trial is scored, which is after 60",
        ),
        (
            {"budget": {"meta_iterations": 180, "total_meta_iterations": 100}},
            "lets no trial reach its end",
        ),
        (
            {"budget": {"trials": 6, "stagnation": 5}},
            "budget.stagnation = 5 has no effect: the search of 6 trials has ended by then",
        ),
        (
            {"branches": [{**MAML[0], "share": 0.99}, {**SMALL["branches"][1], "share": 0.01}],
             "budget": {"trials": 4}},
            "branch reptile is never tried: its share of budget.trials = 4 comes to none; raise",
        ),
        ({"branches": SMALL["branches"], "budget": {"trials": 1}}, "branch reptile is never tried"),
        (
            {"evaluation": {"transductive": False}},
            "evaluation.transductive = False has no effect: model mlp takes no statistics",
        ),
        (
            {"evaluation": {"statistic": "trimmed_mean", "tasks": 9}},
            "evaluation.statistic = trimmed_mean has no effect: a tenth at either end of "
            "evaluation.tasks = 9 is no task; take 10",
        ),
        ({"budget": {"target_score": -0.1}}, "mse is at least 0, so no trial reaches it"),
        (
            {**OMNIGLOT, "budget": {"target_score": 95}},
            "budget.target_score = 95 has no effect: accuracy is at most 1",
        ),
        ({"gates": {"seeds": 3}}, "gates.seeds = 3 has no effect: gates.rules has no rule"),
        ({"gates": {"rules": ["at-least:1", "at-least:1"]}}, "at-least:1 more than once"),
        ({"warm_start": {"best": 5}}, "warm_start.best = 5 has no effect"),
        ({"verdict": {"finalists_from": "each_branch"}}, "finalists_from = each_branch has"),
        ({"search": {"currency": "device_seconds"}}, "search.currency = device_seconds has"),
        (
            {"branches": [{"algorithm": "maml", "space": {"inner_lr": {"low": 0.01, "high": 1}}}],
             "warm_start": {"trials": [{"branch": "maml", "params": {"inner_lr": 0.1}}] * 3},
             "budget": {"trials": 2}},
            "warm_start has 3 points for 2 trials",
        ),
    ],
)  # fmt: skip
def test_what_has_no_effect_is_said_once(changes: dict[str, Any], sentence: str) -> None:
    found = said(**changes)
    assert sum(sentence in warning for warning in found) == 1, found


def test_nothing_is_said_of_studies_that_mean_what_they_say() -> None:
    for spec in (SMALL, WATCHED, SPEC, {**LEAST, "branches": [{"algorithm": "maml"}]}):
        assert warnings(small_spec(**spec)) == []
    both = {"branches": SMALL["branches"], "search": {"startup_trials": 4}}
    assert said(**both, budget={"trials": 60}) == []  # they say when branches are compared
    target = {"trials": 24, "target_score": 0.5, "stagnation": 8, "total_meta_iterations": 9000}
    assert said(budget=target) == []
    assert said(**OMNIGLOT, evaluation={"transductive": False}) == []
    assert said(evaluation={"statistic": "trimmed_mean", "tasks": 10}) == []


def test_defaults_of_a_stored_spec_are_nobody_s_choice() -> None:
    stored = small_spec(**{**LEAST, "branches": [{"algorithm": "maml"}]}).model_dump(mode="json")
    assert warnings(StudySpec.model_validate(stored)) == []


def test_a_model_that_every_branch_replaces_is_said() -> None:
    assert not any("model" in warning for warning in warnings(small_spec(**NAMED)))
    own = [{**branch, "model": {"kind": "linear"}} for branch in SMALL["branches"]]
    found = warnings(small_spec(branches=own))
    assert any(
        one.startswith("model.kind = mlp has no effect: every branch has a model of its own")
        for one in found
    )


def test_branches_that_differ_by_name_alone_are_said() -> None:
    maml = SMALL["branches"][0]
    found = warnings(small_spec(branches=[maml, {**maml, "name": "again"}]))
    assert any(one.startswith("branches maml and again differ by name alone") for one in found)
    apart = [maml, {**maml, "name": "again", "model": {"kind": "linear"}}]
    assert not any("by name alone" in one for one in warnings(small_spec(branches=apart)))


def test_statistics_of_a_batch_are_of_any_branch_s_model() -> None:
    evaluation = {"transductive": False, "tasks": 20}
    omniglot = {
        "tasks": {"kind": "omniglot", "n_way": 5, "k_shot": 1},
        "model": {"kind": "mlp"},
        "evaluation": evaluation,
    }
    found = [one for one in warnings(small_spec(**omniglot)) if "transductive" in one]
    assert len(found) == 1 and "model mlp takes no statistics" in found[0]
    mixed = [SMALL["branches"][0], {**SMALL["branches"][1], "model": {"kind": "conv4"}}]
    assert not any("transductive" in o for o in warnings(small_spec(**omniglot, branches=mixed)))
