"""The order of trials whose scores come from different rungs."""

from collections.abc import Mapping
from typing import Any

from metaopt.goals import Goals
from service.report.standing import ranked
from service.wire.views.report import RungPoint
from service.wire.views.studies import TrialView
from tests.fakes.rows import NOON

RUNGS = (10, 30, 90)
Scores = Mapping[int, tuple[float, ...]]


def trial(number: int, status: str, scores: tuple[float, ...], **changes: Any) -> TrialView:
    whole = {
        "trial_number": number, "role": "search", "branch": "maml", "status": status,
        "params": {}, "seed": 0, "source_trial_number": None, "meta_iteration": 0,
        "score": scores[-1] if scores else None, "score_stderr": None, "diverged_at": None,
        "cause": None, "attempts": 1, "device_seconds": 0.0, "created_at": NOON,
        "started_at": NOON, "finished_at": None, **changes,
    }  # fmt: skip
    return TrialView.model_validate(whole)


def order(*trials: tuple[str, tuple[float, ...]], goals: Goals | None = None, **changes: Any):
    """Rank trials, numbered from 0, by their scores at the first rungs."""
    views = [trial(number, status, scores, **changes) for number, (status, scores) in
             enumerate(trials)]  # fmt: skip
    return ranked(views, points(*(scores for _, scores in trials)), goals or Goals(maximize=False))


def points(*scores: tuple[float, ...]) -> dict[int, list[RungPoint]]:
    return {
        number: [
            RungPoint(meta_iteration=rung, tasks=9, score=score, low=score, high=score)
            for rung, score in zip(RUNGS, own, strict=False)
        ]
        for number, own in enumerate(scores)
    }


def test_at_one_rung_the_score_decides_in_the_direction_of_the_metric() -> None:
    trials = [("running", (1.560,)), ("queued", (1.353,)), ("pruned", (0.898,))]
    assert order(*trials) == [2, 1, 0]
    assert order(*trials, goals=Goals(maximize=True)) == [0, 1, 2]


def test_equal_trials_stand_by_their_numbers() -> None:
    assert order(("running", (1.0,)), ("pruned", (1.0,)), ("running", (1.0,))) == [0, 1, 2]


def test_further_is_better_where_two_have_come_as_far() -> None:
    trials = [("pruned", (0.1,)), ("running", (3.0, 2.0)), ("running", (4.0, 1.0))]
    assert order(*trials) == [2, 1, 0]


def test_who_is_alone_ahead_is_compared_where_the_next_one_is() -> None:
    ahead = ("running", (3.0, 0.1, 0.1))
    assert order(ahead, ("running", (1.0,)), ("pruned", (4.0,))) == [1, 0, 2]
    assert order(ahead, ("running", (1.0, 2.0)), ("pruned", (4.0,))) == [0, 1, 2]


def test_completed_comes_first_and_who_broke_last() -> None:
    trials = [
        ("failed", (0.1, 0.1)), ("pruned", (0.5,)), ("diverged", (0.1,)),
        ("completed", (4.0, 4.0, 4.0)), ("running", (0.4,)), ("cancelled", (0.3,)),
    ]  # fmt: skip
    assert order(*trials) == [3, 5, 4, 1, 0, 2]
    assert order(("diverged", (1.0, 2.0)), ("diverged", (2.0, 1.0)), ("failed", (0.1,))) == [
        1,
        0,
        2,
    ]


def test_what_has_no_score_or_another_role_has_no_place() -> None:
    assert order(("running", ()), ("running", (1.0,))) == [1]
    assert order(("completed", (1.0,)), role="verdict") == []


def test_constraints_come_before_the_score() -> None:
    goals = Goals(maximize=False, bounds={"adaptation_examples": 10.0})
    views = [
        trial(number, "running", (score,), metrics={"adaptation_examples": examples})
        for number, (score, examples) in enumerate([(0.1, 30.0), (0.2, 11.0), (0.9, 10.0)])
    ]
    assert ranked(views, points((0.1,), (0.2,), (0.9,)), goals) == [2, 1, 0]


def test_each_branch_has_its_own_common_rung() -> None:
    maml = [trial(0, "running", (9.0, 9.0)), trial(1, "running", (9.0, 8.0))]
    reptile = [trial(2, "running", (2.0, 0.1), branch="reptile"),
               trial(3, "running", (1.0,), branch="reptile")]  # fmt: skip
    scores = points((9.0, 9.0), (9.0, 8.0), (2.0, 0.1), (1.0,))
    assert ranked([*maml, *reptile], scores, Goals(maximize=False)) == [1, 0, 3, 2]
