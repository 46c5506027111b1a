"""Intervals: of losses, and in scores again."""

import math

import pytest

from metaopt.estimation.intervals import (
    Bounds,
    Error,
    Interval,
    Tail,
    error_of_trainings,
    score_of,
)
from metaopt.goals import Goals


def test_an_interval_of_losses_is_turned_round_for_accuracies_and_kept_for_errors() -> None:
    losses = Interval(-0.7, 0.1, -0.8, -0.5)
    assert losses.scores(Goals(maximize=True)) == Interval(0.7, 0.1, 0.5, 0.8)
    assert losses.scores(Goals(maximize=False)) == losses


def test_no_difference_has_no_sign() -> None:
    assert math.copysign(1, score_of(0.0, Goals(maximize=True))) == 1.0


def test_a_mean_is_as_sure_as_its_values_agree_and_one_value_says_nothing_of_that() -> None:
    error = error_of_trainings([1.0, 2.0, 3.0])
    assert (error.variance, error.degrees) == (pytest.approx(1 / 3), 2)
    assert error_of_trainings([5.0]).stderr == 0.0


def test_a_negative_factor_turns_the_skewness_of_an_error_round() -> None:
    assert Error(1.0, 5.0, 0.3).times(-2) == Error(2.0, 5.0, -0.3)


def test_a_tail_makes_an_error_no_lighter_whichever_way_it_is_turned() -> None:
    error = Error(1.0, 5.0, 0.3).at_least(Tail(0.1, 3.0))
    assert error.tails == [Tail(0.3, 5.0), Tail(0.3, 3.0)]
    assert error.times(-1).tails == [Tail(-0.3, 5.0), Tail(-0.3, 3.0)]


def test_a_difference_lies_between_the_extremes_of_both() -> None:
    assert Bounds(0.0, 1.0).of_difference() == Bounds(-1.0, 1.0)
    assert Bounds(0.0, math.inf).of_difference() == Bounds()
