"""Numbers in words, the same on the command line, in reports and in notes."""

from collections.abc import Mapping
from typing import Any

from service.wire.spec.study import StudySpec
from service.wire.words.metrics import in_percent

Value = float | int | str


def number(value: float) -> str:
    """Four significant digits; large numbers whole."""
    return f"{value:,.0f}" if 1e4 <= abs(value) < 1e12 else f"{value:.4g}"


def score(value: float | None, metric: str) -> str:
    """A score: shares in per cent, errors as they are."""
    if value is None:
        return "-"
    return f"{100 * value:.1f} %" if in_percent(metric) else number(value)


def difference(value: float | None, metric: str) -> str:
    """A difference of scores with its sign: shares in points."""
    if value is None:
        return "-"
    return f"{100 * value:+.1f}" if in_percent(metric) else f"{value:+.4g}"


def distance(value: float, metric: str) -> str:
    """A difference of scores without its sign: shares in points, and called so."""
    return f"{100 * abs(value):.1f} points" if in_percent(metric) else number(abs(value))


def interval(low: float, high: float, metric: str) -> str:
    """A 95 % interval in brackets."""
    if in_percent(metric):
        return f"[{100 * low:.1f}, {100 * high:.1f}]"
    return f"[{number(low)}, {number(high)}]"


def score_with_interval(value: float, low: float, high: float, metric: str) -> str:
    """A score and its 95 % interval behind it."""
    return f"{score(value, metric)} {interval(low, high, metric)}"


def params(values: Mapping[str, Value]) -> str:
    """Parameters as name=value, numbers shortened."""
    return " ".join(f"{name}={param(value)}" for name, value in values.items())


def param(value: Value) -> str:
    """A parameter's value, shortened where it is no whole number."""
    return number(value) if isinstance(value, float) else str(value)


def share(value: float) -> str:
    """A share in per cent."""
    return f"{100 * value:.1f} %"


def small_share(value: float) -> str:
    """A share in per cent that may be far below one."""
    return f"{100 * value:.2g} %"


def seconds(value: float) -> str:
    """A duration: 4.2 s, 3 min 20 s, 2 h 05 min."""
    if value < 60:
        return f"{value:.1f} s"
    minutes, rest = divmod(round(value), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    return f"{minutes // 60} h {minutes % 60:02d} min"


def byte_count(value: int) -> str:
    """Bytes, as `20 GB` or, where they are such a number, `512 MiB`.

    Example:
        >>> byte_count(20 * 10**9), byte_count(3 * 2**29), byte_count(1000)
        ('20 GB', '1.5 GiB', '1000 bytes')
    """
    for unit, size in (("GiB", 2**30), ("MiB", 2**20)):
        if value >= size and value * 8 % size == 0:
            return f"{value / size:g} {unit}"
    for unit, size in (("GB", 10**9), ("MB", 10**6)):
        if value >= size:
            return f"{value / size:.4g} {unit}"
    return f"{value} bytes"


def times(count: int) -> str:
    """How often: once, 2 times."""
    return "once" if count == 1 else f"{count:,} times"


def counts(by_status: Mapping[Any, int]) -> str:
    """How many there are in each status that has any: "3 completed, 1 failed"."""
    return ", ".join(f"{count} {status}" for status, count in by_status.items() if count)


def first_order(until: int) -> str:
    """How a second-order trial of a study with `first_order_until` trains."""
    return f"first-order meta-gradients up to meta-iteration {until:,}, second-order from there on"


def searched_params(spec: StudySpec, branch: str, values: Mapping[str, Value]) -> dict[str, Value]:
    """Those of the parameters that the spec searches in this branch."""
    for candidate in spec.branches:
        if candidate.name == branch:
            searched = candidate.distributions()
            return {name: value for name, value in values.items() if name in searched}
    return dict(values)
