"""The grid: every combination once, in an order of its own seed."""

import math
import random
from collections.abc import Mapping

from metaopt.errors import InvalidSearch
from metaopt.metaparams import Value
from metaopt.search.samplers.history import End, Params
from metaopt.search.samplers.unit import from_unit
from metaopt.search.space import Choice, Dimension, Float, Int

MOST_POINTS = 1_000_000  # the shuffled order is held in memory


def grid_values(dimension: Dimension, grid_points: int) -> list[Value]:
    """Return the grid along one dimension.

    Choices and whole numbers are all taken; of a range of real numbers, `grid_points` values, both
    ends included, evenly spaced (in the logarithm where `log`).
    """
    match dimension:
        case Choice(choices):
            return list(choices)
        case Int(low, high):
            return list(range(int(low), int(high) + 1))
        case Float(low, high):
            inner = [from_unit(dimension, k / (grid_points - 1)) for k in range(1, grid_points - 1)]
            return [float(low), *inner, float(high)]


class Grid:
    """Suggests the points of the grid, each once, in a shuffled order.

    A study that ends early has then seen a fair sample of the grid.

    Args:
        space: What is searched.
        seed: Of the order.
        grid_points: Values of a range of real numbers, >= 2.

    Raises:
        InvalidSearch: `grid_points` < 2, or more than a million points.
    """

    def __init__(self, space: Mapping[str, Dimension], seed: int, grid_points: int) -> None:
        """Count the points and shuffle them."""
        if grid_points < 2:
            raise InvalidSearch(f"grid_points must be >= 2, got {grid_points}")
        self._axes = {name: grid_values(space[name], grid_points) for name in space}
        points = math.prod(len(values) for values in self._axes.values())
        if points > MOST_POINTS:
            raise InvalidSearch(
                f"a grid may have {MOST_POINTS} points, this one has {points}: "
                "lower grid_points, narrow whole numbers, or take another sampler"
            )
        self.limit: int | None = points
        self._order = list(range(points))
        random.Random(seed).shuffle(self._order)

    def suggest(self, index: int) -> Params:
        """Return the grid's point at ask `index`.

        Raises:
            InvalidSearch: there is none left.
        """
        if index >= len(self._order):
            raise InvalidSearch(f"the grid's {len(self._order)} points have all been asked for")
        place = self._order[index]
        params: Params = {}
        for name, values in self._axes.items():
            place, k = divmod(place, len(values))
            params[name] = values[k]
        return params

    def slow_asks(self, index: int, count: int) -> int:
        """Return 0: no ask takes long."""
        return 0

    def asked(self, index: int, params: Params) -> None:
        """Learn nothing."""

    def told(self, index: int, end: End) -> None:
        """Learn nothing."""
