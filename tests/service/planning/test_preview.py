"""Previews: what a spec would do."""

from typing import Any

from service.planning.preview import preview, signatures
from service.wire.spec.study import StudySpec
from tests.fakes.specs import small_spec

SPACE = {"inner_lr": {"low": 0.003, "high": 0.3, "log": True}, "inner_steps": 1, "meta_batch": 4}
BRANCHES = [{"algorithm": "maml", "space": SPACE}]
BOTH = {"rungs": [20, 60], "tasks": [4, 10], "first_order_until": 60}


def spec(kind: str = "successive_halving", trials: int = 6, **changes: Any) -> StudySpec:
    return small_spec(
        **{
            "branches": BRANCHES,
            "budget": {"trials": trials, "meta_iterations": 180},
            "pruning": {**BOTH, "kind": kind},
            **changes,
        }
    )


def test_a_preview_tells_the_tasks_and_counts_with_both_programs() -> None:
    found = preview(spec(), {})
    assert (found.rungs, found.bank_tasks) == ([20, 60, 180], [4, 10, 20])
    assert found.first_order_until == 60
    assert found.search.meta_iterations_at_most == 6 * 180
    (branch,) = spec().branches
    assert signatures(spec(), branch, 0) != signatures(spec(), branch, 60)


def test_what_gates_train_comes_on_top_for_the_candidate_alone() -> None:
    gates = {"rules": ["at-least:0.5"], "seeds": 3}
    shown = preview(small_spec(gates=gates), {})
    assert shown.gates is not None and shown.gates.trials == 3
    assert preview(small_spec(), {}).gates is None


def test_trials_that_are_pruned_are_not_expected_to_train_to_the_end() -> None:
    halved = {"kind": "successive_halving", "rungs": [60], "reduction": 2}
    search = preview(small_spec(pruning=halved), {}).search
    assert search.meta_iterations_at_most == 6 * 180
    assert search.meta_iterations_expected == 6 * 60 + 3 * 120
