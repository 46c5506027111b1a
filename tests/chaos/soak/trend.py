"""Trends: does a figure that is sampled grow, once a service has warmed up?

The slope is that of Theil and Sen: the median of the slopes between any two samples, so that a
third of them may be wild.  What counts is what it comes to over the window that is judged, the last
two thirds of the samples; up to a bound that is flat.
"""

from collections.abc import Sequence
from itertools import combinations
from statistics import median
from typing import Any, NamedTuple

WARM_UP = 1 / 3
"""The share of the samples that nobody judges."""


class Sample(NamedTuple):
    """A figure at a moment.

    Args:
        at: Seconds since the beginning.
    """

    at: float
    value: float


class Bound(NamedTuple):
    """How much a figure may grow over the window: so much, or so much of its median."""

    most: float
    share: float = 0.0


BOUNDS = {
    "memory_bytes": Bound(2 * 2**20, 0.02),
    "descriptors": Bound(2.0),
    "threads": Bound(8.0),  # a pool has as many as were ever at work at once
    "connections": Bound(2.0),
    "directory_bytes": Bound(2**20, 0.1),
}
"""By the kind of figure: what comes before the `/` in its name."""


class Trend(NamedTuple):
    """What became of a figure.

    Args:
        growth: Over the window, as its slope has it.
        allowed: How much it may be.
    """

    name: str
    samples: int
    first: float
    median: float
    last: float
    per_hour: float
    growth: float
    allowed: float

    @property
    def flat(self) -> bool:
        return self.growth <= self.allowed

    def to_json(self) -> dict[str, Any]:
        """Return plain data."""
        return {**self._asdict(), "flat": self.flat}


def trend(name: str, samples: Sequence[Sample]) -> Trend:
    """The trend of a figure; its name begins with its kind."""
    window = samples[int(len(samples) * WARM_UP) :]
    slope = theil_sen(window)
    bound, middle = BOUNDS[name.partition("/")[0]], median(sample.value for sample in window)
    return Trend(
        name=name,
        samples=len(window),
        first=window[0].value,
        median=middle,
        last=window[-1].value,
        per_hour=3600 * slope,
        growth=slope * (window[-1].at - window[0].at),
        allowed=max(bound.most, bound.share * middle),
    )


def theil_sen(samples: Sequence[Sample]) -> float:
    """The median slope between two samples, per second; 0 of fewer than two.

    Reference:
        Sen (1968), Estimates of the regression coefficient based on Kendall's tau, JASA 63.
    """
    slopes = [(b.value - a.value) / (b.at - a.at) for a, b in combinations(samples, 2)]
    return median(slopes) if slopes else 0.0
