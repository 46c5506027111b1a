"""Intervals: of losses, and in scores again."""

import math

import pytest

from metaopt.evaluation.intervals import Interval, mean_error, score_of
from metaopt.goals import Goals


def test_an_interval_of_losses_is_turned_round_for_accuracies_and_kept_for_errors() -> None:
    losses = Interval(-0.7, 0.1, -0.8, -0.5)
    assert losses.scores(Goals(maximize=True)) == Interval(0.7, 0.1, 0.5, 0.8)
    assert losses.scores(Goals(maximize=False)) == losses


def test_no_difference_has_no_sign() -> None:
    assert math.copysign(1, score_of(0.0, Goals(maximize=True))) == 1.0


def test_a_mean_is_as_sure_as_its_values_agree_and_one_value_says_nothing_of_that() -> None:
    error = mean_error([1.0, 2.0, 3.0])
    assert (error.value, error.degrees) == (pytest.approx(1 / 3), 2)
    assert mean_error([5.0]).value == 0.0
