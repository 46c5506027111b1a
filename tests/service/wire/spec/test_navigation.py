"""Specs of tasks that are acted in: what they may have, and who is refused."""

from typing import Any

import pytest

from metaopt.algorithms.registry import ALGORITHMS
from service.errors import InvalidSpec
from service.planning.signatures import task_bank
from service.wire.spec.refusals import parse_spec
from service.wire.spec.study import StudySpec
from tests.fakes.specs import LEAST

TASKS = {"kind": "navigation"}


def spec(algorithm: str = "maml", **changes: Any) -> StudySpec:
    branches = [{"algorithm": algorithm}]
    return parse_spec({**LEAST, "tasks": TASKS, "branches": branches, **changes})


def test_the_papers_tasks_can_be_had_and_the_score_is_the_return() -> None:
    given = spec(tasks={**TASKS, "horizon": 100}, model={"kind": "mlp", "widths": [100, 100]})
    assert (given.tasks.input_shape, given.tasks.outputs, given.tasks.classes) == ((2,), 2, 1)
    assert (given.tasks.k_shot, given.tasks.q_query) == (20, 20)
    assert given.tasks.metric_record.name == "return" and given.goals().maximize
    assert task_bank(given, "sealed", 1).metric is None  # it is the default of such tasks


def test_a_trial_needs_what_its_episodes_need() -> None:
    short, long = (spec(tasks={**TASKS, "horizon": horizon}) for horizon in (10, 100))
    assert 5 * short.lane_bytes() < long.lane_bytes() < 11 * short.lane_bytes()


@pytest.mark.parametrize("algorithm", ALGORITHMS.names())
def test_who_needs_examples_with_answers_is_refused_by_name(algorithm: str) -> None:
    if ALGORITHMS.get(algorithm).does("actions"):
        assert spec(algorithm).branches[0].algorithm == algorithm
        return
    with pytest.raises(InvalidSpec) as refused:
        spec(algorithm)
    (error,) = refused.value.errors
    assert f"branch {algorithm}: algorithm {algorithm} is for tasks of" in error.message
    assert "these ask for actions: take one of anil, boil, cavia, foml, maml," in error.message


@pytest.mark.parametrize(
    ("tasks", "field", "words"),
    [
        ({"horizon": 0}, "tasks.horizon", "1"),
        ({"noise": 0}, "tasks.noise", "0.001"),
        ({"discount": 1.5}, "tasks.discount", "1"),
        ({"metric": "mse"}, "tasks.metric", "is not a known field"),
    ],
)
def test_an_option_out_of_its_range_is_refused(
    tasks: dict[str, Any], field: str, words: str
) -> None:
    with pytest.raises(InvalidSpec) as refused:
        spec(tasks={**TASKS, **tasks})
    assert [(error.field, words in error.message) for error in refused.value.errors] == [
        (field, True)
    ]
