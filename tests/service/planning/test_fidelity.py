"""Fidelity in a spec: what fits together, and what follows from it."""

from typing import Any

import pytest
from pydantic import ValidationError

from service.planning.fidelity import first_order_until, trained_params
from service.planning.plan import Plan
from service.wire.spec.study import StudySpec
from tests.fakes.specs import SMALL, small_spec

MAML = [{"algorithm": "maml", "space": {"inner_lr": "default", "meta_batch": 4}}]
HALVING = {"kind": "successive_halving", "rungs": [60, 120]}


def spec(pruning: dict[str, Any], **changes: Any) -> StudySpec:
    return small_spec(pruning={**HALVING, **pruning}, **changes)


def scored_on(of: StudySpec, rungs: list[int]) -> list[int]:
    plan = Plan.of(of)["search"]
    return [plan.tasks_at(rung) for rung in rungs]


def test_each_rung_has_its_number_of_tasks_and_the_end_has_all() -> None:
    found = spec({"tasks": [5, 10]})
    assert scored_on(found, found.rungs()) == [5, 10, 20]
    assert scored_on(spec({}), found.rungs()) == [20, 20, 20]


def test_rungs_that_are_not_named_have_tasks_too() -> None:
    found = small_spec(pruning={"tasks": [5, 5]})
    assert found.rungs() == [20, 60, 180]  # 180 / 27 would say nothing yet
    assert scored_on(found, found.rungs()) == [5, 5, 20]


def test_second_order_trials_train_in_first_order_up_to_a_rung() -> None:
    found = spec({"first_order_until": 60})
    second, first = ({"order": order, "inner_lr": 0.1} for order in ("second", "first"))
    assert [trained_params(found, second, age)["order"] for age in (0, 59, 60, 180)] == [
        "first", "first", "second", "second"
    ]  # fmt: skip
    assert trained_params(found, first, 100) == first
    assert trained_params(found, {"epsilon": 0.1}, 0) == {"epsilon": 0.1}
    assert first_order_until(found, second) == 60 and first_order_until(found, first) is None
    assert trained_params(spec({}), second, 0) == second


def test_a_spec_of_an_older_version_has_full_fidelity() -> None:
    assert small_spec().pruning.tasks is None
    assert small_spec().pruning.first_order_until is None


@pytest.mark.parametrize(
    ("pruning", "changes", "said"),
    [
        ({"tasks": [5]}, {}, r"one number for each rung below the budget, \[60, 120\], got \[5\]"),
        ({"tasks": [5, 10, 20]}, {}, "at the budget it is always evaluation.tasks"),
        ({"tasks": [10, 5]}, {}, r"must not fall from rung to rung, got \[10, 5\]"),
        ({"tasks": [5, 21]}, {}, "at most evaluation.tasks = 20, the tasks of the bank, got 21"),
        ({"tasks": [1, 5]}, {}, "greater than or equal to 2"),
        ({"kind": "none", "rungs": None, "tasks": [5]}, {}, "give pruning.rungs"),
        ({"first_order_until": 61}, {}, r"one of the rungs below the budget \(60, 120\), got 61"),
        ({"first_order_until": 180}, {}, "one of the rungs below the budget"),
        ({"kind": "none", "rungs": None, "first_order_until": 60}, {}, "none: give pruning.rungs"),
        (
            {"first_order_until": 60},
            {"branches": SMALL["branches"][1:]},
            "needs a branch whose trials may have order: second, reptile has none",
        ),
        (
            {"first_order_until": 60},
            {"branches": [{"algorithm": "maml", "space": {"order": "first"}}]},
            "maml has none: leave it out, or let maml have that order",
        ),
    ],
)
def test_what_does_not_fit_is_refused(
    pruning: dict[str, Any], changes: dict[str, Any], said: str
) -> None:
    with pytest.raises(ValidationError, match=said):
        spec(pruning, **changes)


def test_a_branch_that_searches_the_order_fits() -> None:
    space = {"order": "default"}
    found = spec({"first_order_until": 60}, branches=[{"algorithm": "maml", "space": space}])
    assert found.pruning.first_order_until == 60


def test_to_keep_the_best_there_must_be_rungs_to_choose_among() -> None:
    best = {"tasks": 20, "keep": "best"}
    assert small_spec(evaluation=best).evaluation.keep == "best"
    assert small_spec().evaluation.keep == "last"
    with pytest.raises(ValueError, match="keep: best chooses among rungs, and there are none"):
        small_spec(evaluation=best, pruning={"kind": "none"})
