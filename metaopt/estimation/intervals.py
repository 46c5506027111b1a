"""Intervals, and what they are made of: an estimate and the independent parts of its error.

Plain data without scipy, so that whoever only declares what is to be estimated stays light; the
limits themselves are computed in `metaopt.estimation.limits`.
"""

import math
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


EVEN = ErrorRates(0.025, 0.025)


class Bounds(NamedTuple):
    """The least and the most that a truth can be."""

    low: float = -math.inf
    high: float = math.inf

    def of_difference(self) -> "Bounds":
        """Those of a difference of two."""
        return Bounds(self.low - self.high, self.high - self.low)


EVERYWHERE = Bounds()


class Tail(NamedTuple):
    """How heavy the tail behind an error is: its `skewness` and `degrees`."""

    skewness: float
    degrees: float


NO_TAIL = Tail(-math.inf, math.inf)


class Error(NamedTuple):
    """A part of an estimate's error, independent of the other parts.

    Args:
        stderr: Its standard error, >= 0.
        degrees: Degrees of freedom of that standard error; need not be whole.
        skewness: Of the estimate; of a mean of n values, theirs over √n.
        heavier: A tail that it may have as well: limits are the wider ones, on either side.
    """

    stderr: float
    degrees: float
    skewness: float = 0.0
    heavier: Tail | None = None

    @property
    def variance(self) -> float:
        """Its square."""
        return self.stderr**2

    @property
    def tails(self) -> list[Tail]:
        """Its own tail, and the heavier one."""
        own = Tail(self.skewness, self.degrees)
        return [own] if self.heavier is None else [own, self.heavier]

    def at_least(self, tail: Tail) -> "Error":
        """The same standard error with limits that hold another tail, too."""
        heavier = Tail(max(self.skewness, tail.skewness), min(self.degrees, tail.degrees))
        return self._replace(heavier=heavier)

    def times(self, factor: float) -> "Error":
        """That of the estimate times a factor; a negative one turns its skewness round."""
        sign = 1 if factor >= 0 else -1
        heavier = self.heavier and self.heavier._replace(skewness=sign * self.heavier.skewness)
        return Error(self.stderr * abs(factor), self.degrees, sign * self.skewness, heavier)


NO_ERROR = Error(0.0, math.inf)


class Measured(NamedTuple):
    """An estimate and the parts of its error: of tasks, and of training.

    Args:
        bounds: Within which the truth lies.
    """

    value: float
    tasks: Error
    seeds: list[Error]
    bounds: Bounds = EVERYWHERE

    @property
    def errors(self) -> list[Error]:
        """All parts."""
        return [self.tasks, *self.seeds]


def error_of_trainings(values: Sequence[float]) -> Error:
    """The error of the mean over a few trainings, whose skewness nobody can know; none of one."""
    if len(values) < 2:
        return NO_ERROR
    return Error(statistics.stdev(values) / math.sqrt(len(values)), len(values) - 1)


def score_of(loss: float, goals: Goals) -> float:
    """The score of a loss for people: no difference is 0, never -0."""
    return goals.score(loss) + 0.0
