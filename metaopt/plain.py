"""Values as Python has them: numbers and arrays of numpy and torch are as good as its own."""

import math

from metaopt.errors import MetaoptError
from metaopt.messages import shown


def plain(value: object) -> object:
    """`value`, or the numbers in it where it is an array or a tensor.

    Example:
        >>> plain(5)
        5
    """
    to_list = getattr(value, "tolist", None)
    return to_list() if callable(to_list) and not isinstance(value, type) else value


def whole(
    name: str,
    value: object,
    minimum: float = -math.inf,
    maximum: float = math.inf,
    error: type[MetaoptError] = MetaoptError,
) -> int:
    """The whole number that `value` is.

    Args:
        name: What the message calls it.
        minimum, maximum: Bounds, inclusive.

    Raises:
        MetaoptError: `error`; it is none, or outside the bounds.

    Example:
        >>> whole("steps", 3, 0)
        3
    """
    number = plain(value)
    if isinstance(number, bool) or not isinstance(number, int):
        raise error(f"{name} must be a whole number, got {shown(value)}")
    if not minimum <= number <= maximum:
        raise error(f"{name} must be {between(minimum, maximum)}, got {shown(value)}")
    return number


def between(minimum: float, maximum: float) -> str:
    """Bounds in words: ">= 1", or "in [1, 10]"."""
    low, high = _number(minimum), _number(maximum)
    return f">= {low}" if maximum == math.inf else f"in [{low}, {high}]"


def _number(bound: float) -> str:
    return str(bound) if isinstance(bound, int) else f"{bound:g}"
