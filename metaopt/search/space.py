"""Search spaces: what may be suggested for each meta-hyperparameter.

A space is a dict of dimensions by parameter name.  Values that are not searched do not appear.
Nothing here needs Optuna, so that whoever only checks a space stays light.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from metaopt.errors import InvalidSearch
from metaopt.metaparams import Value


@dataclass(frozen=True)
class Float:
    """A number in [low, high], uniform, or uniform in its logarithm.

    Raises:
        InvalidSearch: bounds not finite, not rising, or not positive where `log`.
    """

    low: float
    high: float
    log: bool = False

    def __post_init__(self) -> None:
        """Check the bounds."""
        _check_bounds(self.low, self.high, positive=self.log)


@dataclass(frozen=True)
class Int:
    """A whole number in [low, high], both included; `log` needs low >= 1.

    Raises:
        InvalidSearch: bounds not whole, not rising, or below 1 where `log`.
    """

    low: int
    high: int
    log: bool = False

    def __post_init__(self) -> None:
        """Check the bounds."""
        _check_bounds(self.low, self.high, positive=self.log)
        for bound in (self.low, self.high):
            if int(bound) != bound:
                raise InvalidSearch(f"bounds of whole numbers must be whole, got {bound!r}")


@dataclass(frozen=True)
class Choice:
    """One of the listed values, numbers or strings, without an order.

    Raises:
        InvalidSearch: no choice, one listed twice, or one that is not a finite number or text.
    """

    choices: tuple[Value, ...]

    def __post_init__(self) -> None:
        """Check the choices."""
        if not self.choices:
            raise InvalidSearch("choices must list at least one value")
        if len(set(self.choices)) < len(self.choices):
            raise InvalidSearch(f"choices must differ, got {list(self.choices)}")
        for choice in self.choices:
            if not isinstance(choice, str) and not math.isfinite(choice):
                raise InvalidSearch(f"choices must be finite, got {choice!r}")


Dimension = Float | Int | Choice

NARROWEST = 1e-9  # of its larger bound: narrower ranges have too few floats to model
LEAST_WIDTH, GREATEST_BOUND = 1e-150, 1e150  # their squares are floats
MOST_WHOLE = 2**40  # whole numbers beyond it are no distance apart where samplers compute
Space = dict[str, Dimension]


def count(dimension: Dimension) -> float:
    """How many values a dimension allows; infinitely many where it is of real numbers."""
    match dimension:
        case Choice(choices):
            return len(choices)
        case Int(low, high):
            return int(high) - int(low) + 1
        case Float():
            return math.inf


def size(space: Mapping[str, Dimension]) -> float:
    """How many different points a space has; one where nothing is searched."""
    return math.prod(count(dimension) for dimension in space.values())


def contains(dimension: Dimension, value: object) -> bool:
    """Whether `value` is one that `dimension` allows."""
    if isinstance(dimension, Choice):
        return value in dimension.choices
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    whole = isinstance(dimension, Float) or (math.isfinite(value) and int(value) == value)
    return whole and dimension.low <= value <= dimension.high


def unresolved(dimension: Dimension) -> str | None:
    """The rule that a range breaks which samplers cannot resolve, with the way out; else None.

    Samplers map a range, or its logarithm, onto one of length 1, and square distances in it: its
    values must be apart there as floats.
    """
    if isinstance(dimension, Choice):
        return None
    low, high = dimension.low, dimension.high
    largest, shown = max(abs(low), abs(high)), f"[{low!r}, {high!r}]"
    if isinstance(dimension, Int):
        if largest <= MOST_WHOLE:
            return None
        return (
            f"must be within ±{MOST_WHOLE} to be searched, got {shown}: floats tell larger whole "
            "numbers apart too badly; lower the bounds, or list choices"
        )
    if largest > GREATEST_BOUND:
        return f"must be within ±{GREATEST_BOUND:g} to be searched, got {shown}: lower the bounds"
    least = max(NARROWEST * largest, LEAST_WIDTH)
    if high - low < least or (dimension.log and low < LEAST_WIDTH):
        rule = f"must span at least {least:.3g} to be searched"
        if high - low >= least:
            rule = f"must begin at {LEAST_WIDTH:g} or above to be searched in its logarithm"
        return f"{rule}, got {shown}: widen the range, or fix the value, e.g. {low!r}"
    return None


def _check_bounds(low: float, high: float, *, positive: bool) -> None:
    if not (math.isfinite(low) and math.isfinite(high)):
        raise InvalidSearch(f"bounds must be finite, got {low!r} and {high!r}")
    if not low < high:
        raise InvalidSearch(f"low must be below high, got {low!r} and {high!r}")
    if positive and low <= 0:
        raise InvalidSearch(f"low must be > 0 where log is true, got {low!r}")
