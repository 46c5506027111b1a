"""Arguments of rules: what stands behind the colon, read and kept within its bounds."""

import math

from metaopt.errors import InvalidGate


def after_colon(text: str) -> str:
    """What a rule is about, as it is written."""
    return text.partition(":")[2]


def finite(text: str) -> float:
    """Any finite number."""
    return number(text, after_colon(text))


def not_negative(text: str) -> float:
    """A number >= 0."""
    return number(text, after_colon(text), least=0.0)


def number(text: str, written: str, *, least: float = -math.inf, most: float = math.inf) -> float:
    """The number that is `written` somewhere in a rule.

    Raises:
        InvalidGate: It is none, or outside its bounds.
    """
    try:
        value = float(written)
    except ValueError:
        value = math.nan
    if math.isfinite(value) and least <= value <= most:
        return value
    allowed = "a finite number"
    if least > -math.inf:
        allowed = f"a number >= {least:g}" if most == math.inf else f"in [{least:g}, {most:g}]"
    raise InvalidGate(f"a gate's number must be {allowed}, got {written!r} in {text!r}")
