"""The grid: every combination once, in an order of its own seed."""

import math
import random
from collections.abc import Mapping

from metaopt.errors import InvalidSearch
from metaopt.metaparams import Value
from metaopt.search.samplers.history import End, Params
from metaopt.search.samplers.kind import Problem, SamplerKind
from metaopt.search.samplers.unit import from_unit
from metaopt.search.space import Choice, Dimension, Float, Int, count

MOST_POINTS = 1_000_000  # the shuffled order is held in memory


def grid_values(dimension: Dimension, grid_points: int) -> list[Value]:
    """The grid along one dimension.

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
    """

    def __init__(self, space: Mapping[str, Dimension], seed: int, grid_points: int) -> None:
        """Count the points and shuffle them."""
        self._axes = {name: grid_values(space[name], grid_points) for name in space}
        self._order = list(range(math.prod(len(values) for values in self._axes.values())))
        random.Random(seed).shuffle(self._order)  # noqa: S311  # repeatable, not secret

    def suggest(self, index: int) -> Params:
        """The grid's point at ask `index`.

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

    def begin(self, index: int, params: Params) -> None:
        """Keep nothing: a point depends on its index alone."""

    def tell(self, index: int, end: End) -> None:
        """Keep nothing: results change no point."""


def size(dimension: Dimension, grid_points: int) -> int:
    """How many values `grid_values` has, without listing them."""
    return grid_points if isinstance(dimension, Float) else int(count(dimension))


def points(problem: Problem) -> int:
    """How many points the grid has."""
    return math.prod(size(d, problem.grid_points) for d in problem.space.values())


def check(problem: Problem) -> str | None:
    """Refuse a grid without both ends of a range, or of more points than fit in memory."""
    if problem.grid_points < 2:
        return f"grid_points must be >= 2, got {problem.grid_points}"
    if points(problem) <= MOST_POINTS:
        return None
    sizes = {name: size(d, problem.grid_points) for name, d in problem.space.items()}
    listed = " x ".join(f"{count} ({name})" for name, count in sizes.items())
    return (
        f"the grid of branch {problem.branch} has {points(problem)} points, {listed}; the most is "
        f"{MOST_POINTS}: lower search.grid_points, give choices instead of wide ranges, "
        "or take sampler qmc"
    )


def make(problem: Problem) -> Grid:
    """The grid in the order of the branch's seed."""
    return Grid(problem.space, problem.seed_of("grid"), problem.grid_points)


KIND = SamplerKind(
    "grid",
    make,
    adaptive=False,
    options=("grid_points",),
    several=True,
    check=check,
    limit=points,
)
