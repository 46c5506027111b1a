"""The unit interval: dimensions as samplers see them that know only numbers in [0, 1]."""

import math
import random
from collections.abc import Mapping

from metaopt.metaparams import Value
from metaopt.search.space import Choice, Dimension, Float, Int


def from_unit(dimension: Dimension, u: float) -> Value:
    """The value at `u`; equal lengths of [0, 1] are equally likely values.

    A range maps linearly, or linearly in its logarithm.  Each whole number and each choice has an
    interval of its own.

    Args:
        dimension: Where the value lies.
        u: 0 <= u <= 1.
    """
    match dimension:
        case Float(low, high, log):
            return min(max(_along(low, high, u, log=log), float(low)), float(high))
        case Int(low, high, log):
            whole = round(_along(low - 0.5, high + 0.5, u, log=log))
            return int(min(max(whole, low), high))
        case Choice(choices):
            return choices[min(int(u * len(choices)), len(choices) - 1)]


def uniform(space: Mapping[str, Dimension], seed: int) -> dict[str, Value]:
    """A point that is uniform over the space; the same for the same seed."""
    drawn = random.Random(seed)  # noqa: S311  # repeatable, not secret
    return {name: from_unit(dimension, drawn.random()) for name, dimension in space.items()}


def to_unit(dimension: Float | Int, value: float) -> float:
    """Where in [0, 1] a value lies; of a whole number, the middle of its place."""
    low, high = float(dimension.low), float(dimension.high)
    if isinstance(dimension, Int):
        low, high = low - 0.5, high + 0.5
    if dimension.log:
        low, high, value = math.log(low), math.log(high), math.log(value)
    # Neighbours among floats may have the same logarithm; a width may be no float.
    width = high - low
    return (value - low) / width if 0 < width < math.inf else 0.5


def _along(low: float, high: float, u: float, *, log: bool) -> float:
    if log:
        return math.exp(_along(math.log(low), math.log(high), u, log=False))
    width = high - low
    return low + u * width if width < math.inf else (1 - u) * low + u * high
