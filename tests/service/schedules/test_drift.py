"""Drift: by hand, and how often it is said rightly and wrongly in simulated histories."""

import numpy as np
import pytest

from service.schedules.drift import ALPHA, CENTRE_POINTS, Score, begins, judge, level

HISTORIES = 1000
POINTS = 30


def scores(*values: float, stderr: float = 1.0) -> list[Score]:
    return [Score(value, stderr) for value in values]


def first_drift(values: list[Score]) -> int | None:
    drifts = (k for k, one in enumerate(judge(values)) if one.drift)
    return next(drifts, None)


def test_nothing_is_said_of_the_first_two() -> None:
    judged = judge(scores(0.0, 50.0))
    assert all(one.centre is None and not one.moved and not one.drift for one in judged)


def test_a_move_is_no_drift_before_it_is_confirmed() -> None:
    judged = judge(scores(*[0.0] * 6, 9.0, 9.0, 9.0))
    assert [one.moved for one in judged[6:]] == [1, 1, 1]
    assert [one.drift for one in judged[6:]] == [False, True, True]
    assert [begins(judged, k) for k in (6, 7, 8)] == [False, True, False]


def test_a_drift_that_goes_on_does_not_move_the_centre() -> None:
    judged = judge(scores(*[0.0] * 6, *[9.0] * 20))
    assert {one.centre for one in judged[7:]} == {judged[7].centre}
    assert all(one.drift for one in judged[7:])
    assert [k for k in range(26) if begins(judged, k)] == [7]


def test_back_and_forth_is_no_drift() -> None:
    judged = judge(scores(*[0.0] * 6, 9.0, -9.0, 9.0, 0.0))
    assert [one.moved for one in judged[6:]] == [1, -1, 1, 0]
    assert not any(one.drift for one in judged)


def test_the_centre_is_fixed_after_its_points() -> None:
    judged = judge(scores(*[0.0] * CENTRE_POINTS, *[9.0] * 40))
    assert judged[-1].centre == Score(0.0, pytest.approx(CENTRE_POINTS**-0.5))
    assert judged[-1].drift
    assert judged[4].centre == Score(0.0, pytest.approx(3**-0.5))


def test_scores_without_noise_are_judged_too() -> None:
    judged = judge(scores(*[0.5] * 5, 0.4, 0.4, stderr=0.0))
    assert [one.drift for one in judged] == [False] * 6 + [True]


def test_the_levels_of_all_pairs_together_are_alpha() -> None:
    assert sum(level(j) for j in range(1, 200_000)) == pytest.approx(ALPHA, rel=1e-3)


def test_without_a_cause_hardly_any_history_drifts() -> None:
    draws = np.random.default_rng(1).normal(size=(HISTORIES, POINTS))
    wrong = sum(first_drift(scores(*row)) is not None for row in draws)
    assert wrong / HISTORIES < ALPHA


def test_few_trainings_whose_noise_is_known_badly_do_not_drift_either() -> None:
    """As `history` makes them: half a t interval over five trainings / 1.96."""
    draws = np.random.default_rng(2).normal(size=(HISTORIES, POINTS, 5))
    means, stderrs = draws.mean(2), draws.std(2, ddof=1) / 5**0.5 * 2.776 / 1.96
    wrong = sum(
        first_drift([Score(*one) for one in zip(*rows, strict=True)]) is not None
        for rows in zip(means, stderrs, strict=True)
    )
    assert wrong / HISTORIES < ALPHA


@pytest.mark.parametrize(("step", "within"), [(3.0, 8), (4.0, 4)])
def test_a_step_is_found_soon(step: float, within: int) -> None:
    at = CENTRE_POINTS
    draws = np.random.default_rng(3).normal(size=(HISTORIES, at + within))
    draws[:, at:] -= step
    found = [judge(scores(*row))[at:] for row in draws]
    right = sum(any(one.drift and one.moved == -1 for one in judged) for judged in found)
    assert right / HISTORIES > 0.9
