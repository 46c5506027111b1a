"""Parzen estimators: densities over a space that lie around trials, the later ones heavier.

With trials x_1 … x_n of dimension D, in the order of their asks, and a prior that covers the space,

    p(x) = Σ_i w_i Π_d k_d(x_d | x_id)  +  w_0 Π_d k_d(x_d | prior)

On a range, in its logarithm where it is searched so, k is a normal distribution around the trial,
cut off at the ends of the range.  Its width is the distance to the farther of its two neighbours,
at least 1 / min(100, n + 2) of the range.  A whole number has the mass of its place.  Of a choice
the trial's own has 1 + 1 / (n + 1), the others 1 / (n + 1), over their sum.  The newest 25 trials
and the prior weigh 1, older ones less, down to 1 / n.

All ranges lie in [0, 1] here (`unit`).  Reference: Bergstra et al. (2011), section 4.1; Watanabe
(2023), arXiv:2304.11127, sections 3.3 and 3.4: as Optuna computes it (`multivariate`).
"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from metaopt.search.samplers.history import Params
from metaopt.search.samplers.unit import from_unit, to_unit
from metaopt.search.space import Choice, Dimension, Int, count

Array = NDArray[np.float64]

FLAT = 25  # newest trials that all weigh 1
FEWEST_WIDTHS, MOST_WIDTHS = 2, 100  # the least width is the range over n + 2, or over 100
FINEST = 1e-6  # a place of a whole number that is narrower has a density instead of a mass
LOG_ROOT_2_PI = 0.5 * float(np.log(2 * np.pi))


class Coordinates:
    """How points of a space lie in [0, 1]^D: a column for each range; of a choice, its index.

    Args:
        space: Its dimensions; their order is that of the columns.
    """

    def __init__(self, space: Mapping[str, Dimension]) -> None:
        self.space = dict(space)
        self.ranges = [i for i, d in enumerate(space.values()) if not isinstance(d, Choice)]
        self.choices = [
            (i, len(d.choices)) for i, d in enumerate(space.values()) if isinstance(d, Choice)
        ]

    def of(self, params: Params) -> Array:
        """The coordinates (D,) of a point."""
        return np.array([_coordinate(d, params[name]) for name, d in self.space.items()])

    def point(self, coordinates: Array) -> Params:
        """The point at such coordinates."""
        return {
            name: d.choices[int(u)] if isinstance(d, Choice) else from_unit(d, float(u))
            for (name, d), u in zip(self.space.items(), coordinates, strict=True)
        }

    def places(self, at: Array) -> tuple[Array, Array]:
        """Lower and upper ends (N, R) of the places that the ranges' values at (N, D) have.

        They are the same where a value has no place of its own, as a real number.
        """
        names = list(self.space)
        lower, upper = at[:, self.ranges].copy(), at[:, self.ranges].copy()
        for column, index in enumerate(self.ranges):
            dimension = self.space[names[index]]
            if isinstance(dimension, Int) and FINEST * count(dimension) < 1:
                lower[:, column], upper[:, column] = _place(dimension, at[:, index])
        return lower, upper


class Parzen:
    """A density around trials.

    Args:
        coordinates: Of the space.
        trials: Their coordinates (n, D), the oldest first.
    """

    def __init__(self, coordinates: Coordinates, trials: Array) -> None:
        self._coordinates = coordinates
        ranges = trials[:, coordinates.ranges]
        self._middles = np.vstack([ranges, np.full((1, ranges.shape[1]), 0.5)])  # n + 1, R
        self._widths = np.vstack([_widths(ranges), np.ones((1, ranges.shape[1]))])
        self._lowest = ndtr((0.0 - self._middles) / self._widths)
        self._masses = ndtr((1.0 - self._middles) / self._widths) - self._lowest
        self._weights = _weights(len(trials))
        self._tables = [_table(trials[:, i], many) for i, many in coordinates.choices]

    def sample(self, count: int, rng: np.random.Generator) -> Array:
        """Coordinates (count, D) of points drawn from it."""
        drawn = np.empty((count, len(self._coordinates.space)))
        kernels = np.searchsorted(np.cumsum(self._weights), rng.random(count))
        kernels = np.minimum(kernels, len(self._weights) - 1)
        quantiles = self._lowest[kernels] + self._masses[kernels] * rng.random(
            (count, len(self._coordinates.ranges))
        )
        values = self._middles[kernels] + self._widths[kernels] * ndtri(quantiles)
        drawn[:, self._coordinates.ranges] = np.clip(values, 0.0, 1.0)
        for (index, many), table in zip(self._coordinates.choices, self._tables, strict=True):
            below = np.cumsum(table[kernels], axis=1) < rng.random((count, 1))
            drawn[:, index] = np.minimum(below.sum(axis=1), many - 1)
        return drawn

    def log_density(self, at: Array) -> Array:
        """Its logarithm (N,) at coordinates (N, D), in units of [0, 1]^R."""
        lower, upper = self._coordinates.places(at)
        logs = np.log(self._weights) + self._of_ranges(lower, upper)
        for (index, _), table in zip(self._coordinates.choices, self._tables, strict=True):
            logs = logs + np.log(table[:, at[:, index].astype(int)]).T
        top = logs.max(axis=1, keepdims=True)
        return np.asarray(np.log(np.exp(logs - top).sum(axis=1)) + top[:, 0])

    def _of_ranges(self, lower: Array, upper: Array) -> Array:
        """The logarithms (N, n + 1) of each kernel's density or mass there, over all ranges."""
        exact = (lower == upper).all(axis=0)
        logs = _log_normal(lower[:, exact], self._middles[:, exact], self._widths[:, exact])
        for column in np.flatnonzero(~exact):
            logs += _log_mass(
                lower[:, column],
                upper[:, column],
                self._middles[:, column],
                self._widths[:, column],
            )
        return np.asarray(logs - np.log(self._masses).sum(axis=1))


def _coordinate(dimension: Dimension, value: object) -> float:
    if isinstance(dimension, Choice):
        return float(dimension.choices.index(value))
    assert isinstance(value, int | float)
    return to_unit(dimension, value)


def _place(dimension: Int, at: Array) -> tuple[Array, Array]:
    values = [from_unit(dimension, float(u)) for u in at]
    ends = [[to_unit(dimension, float(v) + half) for v in values] for half in (-0.5, 0.5)]
    return np.array(ends[0]), np.array(ends[1])


def _widths(values: Array) -> Array:
    """The distance (n, R) from each value to the farther of its neighbours, within bounds."""
    n = len(values)
    if n == 0:
        return values
    order = np.argsort(values, axis=0, kind="stable")
    rising = np.take_along_axis(values, order, axis=0)
    ends = np.zeros((1, values.shape[1])), np.ones((1, values.shape[1]))
    gaps = np.diff(np.vstack([ends[0], rising, ends[1]]), axis=0)
    farther = np.maximum(gaps[:-1], gaps[1:])
    if n > 1:  # the ends of the range are no neighbours, where there are others
        farther[0], farther[-1] = gaps[1], gaps[-2]
    widths = np.empty_like(values)
    np.put_along_axis(widths, order, farther, axis=0)
    least = 1.0 / min(MOST_WIDTHS, n + FEWEST_WIDTHS)
    return np.clip(widths, least, 1.0)


def _weights(n: int) -> Array:
    older = max(0, n - FLAT)
    ramp = np.linspace(1.0 / max(1, n), 1.0, num=older)
    weights = np.concatenate([ramp, np.ones(n - older), [1.0]])
    return np.asarray(weights / weights.sum())


def _table(indices: Array, many: int) -> Array:
    """Each kernel's probabilities (n + 1, choices)."""
    n = len(indices)
    table = np.full((n + 1, many), 1.0 / (n + 1))
    table[np.arange(n), indices.astype(int)] += 1.0
    return np.asarray(table / table.sum(axis=1, keepdims=True))


def _log_normal(at: Array, middles: Array, widths: Array) -> Array:
    """Σ_d log N(x_d | middle_d, width_d²), (N, n): as a product of matrices, the square expanded.

    Widths are at least a hundredth, so that what cancels is below 1e4, and 12 digits stay.
    """
    precisions = 1.0 / widths**2
    constants = (-0.5 * middles**2 * precisions - np.log(widths) - LOG_ROOT_2_PI).sum(axis=1)
    return np.asarray(at**2 @ (-0.5 * precisions).T + at @ (middles * precisions).T + constants)


def _log_mass(lower: Array, upper: Array, middles: Array, widths: Array) -> Array:
    """log(Φ(upper) − Φ(lower)), (N, n), of kernels (n,) at places (N,), many of them the same."""
    lower, first, back = np.unique(lower, return_index=True, return_inverse=True)
    low, high = ((end[:, None] - middles) / widths for end in (lower, upper[first]))
    right = low > 0  # there Φ is nearly 1: its other side is exact
    low, high = np.where(right, -high, low), np.where(right, -low, high)
    with np.errstate(divide="ignore"):  # far out; the prior is everywhere
        return np.asarray(np.log(ndtr(high) - ndtr(low))[back])


def best_of(candidates: Array, good: Parzen, bad: Parzen) -> int:
    """Which of the candidates (N, D) the good trials' density exceeds the bad ones' most at."""
    return int(np.argmax(good.log_density(candidates) - bad.log_density(candidates)))
