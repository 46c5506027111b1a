"""Intervals, and what they are made of: a value and the independent parts of its squared error.

Plain data without scipy, so that whoever only declares what is to be estimated stays light; the
limits themselves are computed in `service.judgement.estimates`.
"""

import statistics
from collections.abc import Sequence
from typing import NamedTuple

from metaopt.goals import Goals


class Interval(NamedTuple):
    """An estimate, its standard error and the limits of the truth."""

    value: float
    stderr: float
    low: float
    high: float

    def scores(self, goals: Goals) -> "Interval":
        """The interval of a loss, or of a difference of losses, in scores."""
        low, high = sorted((score_of(self.low, goals), score_of(self.high, goals)))
        return Interval(score_of(self.value, goals), self.stderr, low, high)


class ErrorRates(NamedTuple):
    """Probability that the truth lies below an interval, and that it lies above."""

    below: float
    above: float


class SquaredError(NamedTuple):
    """A part of the squared standard error, and its degrees of freedom."""

    value: float
    degrees: int


class Measured(NamedTuple):
    """A mean and the parts of its squared standard error: of tasks, and of training."""

    value: float
    tasks: SquaredError
    seeds: list[SquaredError]

    @property
    def errors(self) -> list[SquaredError]:
        """All parts."""
        return [self.tasks, *self.seeds]


def mean_error(values: Sequence[float]) -> SquaredError:
    """Squared standard error of the mean of independent values; 0 of a single one."""
    if len(values) < 2:
        return SquaredError(0.0, 1)
    return SquaredError(statistics.variance(values) / len(values), len(values) - 1)


def score_of(loss: float, goals: Goals) -> float:
    """The score of a loss for people: no difference is 0, never -0."""
    return goals.score(loss) + 0.0
