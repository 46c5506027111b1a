"""Numbers in words, the same on the command line, in reports and in notes."""

from collections.abc import Mapping

from service.wire.spec.study import StudySpec

Value = float | int | str


def number(value: float) -> str:
    """Return a number with four significant digits."""
    return f"{value:.4g}"


def score(value: float | None, metric: str) -> str:
    """Return a score: accuracy in per cent, squared error as it is."""
    if value is None:
        return "-"
    return f"{100 * value:.1f} %" if metric == "accuracy" else number(value)


def difference(value: float | None, metric: str) -> str:
    """Return a difference of scores with its sign: accuracy in points."""
    if value is None:
        return "-"
    return f"{100 * value:+.1f}" if metric == "accuracy" else f"{value:+.4g}"


def interval(low: float, high: float, metric: str) -> str:
    """Return a 95 % interval in brackets."""
    if metric == "accuracy":
        return f"[{100 * low:.1f}, {100 * high:.1f}]"
    return f"[{number(low)}, {number(high)}]"


def params(values: Mapping[str, Value]) -> str:
    """Return parameters as name=value, numbers shortened."""
    shown = ((k, number(v) if isinstance(v, float) else str(v)) for k, v in values.items())
    return " ".join(f"{name}={value}" for name, value in shown)


def share(value: float) -> str:
    """Return a share in per cent."""
    return f"{100 * value:.1f} %"


def seconds(value: float) -> str:
    """Return a duration: 4.2 s, 3 min 20 s, 2 h 05 min."""
    if value < 60:
        return f"{value:.1f} s"
    minutes, rest = divmod(round(value), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    return f"{minutes // 60} h {minutes % 60:02d} min"


def first_order(until: int) -> str:
    """Return how a second-order trial of a study with `first_order_until` trains."""
    return f"first-order meta-gradients up to meta-iteration {until:,}, second-order from there on"


def searched_params(spec: StudySpec, branch: str, values: Mapping[str, Value]) -> dict[str, Value]:
    """Return the parameters that the spec searches in this branch."""
    for one in spec.branches:
        if one.algorithm == branch:
            searched = one.distributions()
            return {name: value for name, value in values.items() if name in searched}
    return dict(values)
