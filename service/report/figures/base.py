"""A figure as plotly.js takes it, and what all figures have in common.

Figures are plain data, so that making them needs no plotly: `plotly.graph_objects.Figure` takes
them as well.  Greys are half transparent and hues of middle brightness: they read on light and
on dark paper.
"""

import html
from collections.abc import Iterable, Sequence
from math import ceil, floor, log10
from typing import Any, NamedTuple

from service.wire.views.studies import StudyView
from service.wire.words.metrics import in_percent, maximized

Trace = dict[str, Any]
Axis = dict[str, Any]

COLOURS = ("#4c6fe0", "#e07b1a", "#12998a", "#a855c7", "#d6457f", "#7f9a1c")
DIVERGED = "#dc4446"
GREY = "#8a93a1"
GRID = "rgba(128,136,150,0.22)"
INK = "#3d4450"
FONT = 'ui-sans-serif, system-ui, "Segoe UI", Roboto, "Liberation Sans", Arial, sans-serif'
LOG_RATIO = 5.0  # a wider range of errors is shown on a logarithmic axis


class Figure(NamedTuple):
    """A figure: the part it belongs to, a line above it, traces and layout.

    `wide` asks for the whole width of a page.
    """

    part: str
    heading: str
    data: list[Trace]
    layout: dict[str, Any]
    wide: bool = True


def layout(height: int, **more: Any) -> dict[str, Any]:
    """The layout that all figures share, with `more`."""
    return {
        "height": height,
        "font": {"family": FONT, "size": 13, "color": INK},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "margin": {"l": 56, "r": 16, "t": 34, "b": 48},
        "hovermode": "closest",
        "legend": {
            "orientation": "h",
            "x": 0,
            "y": 1.0,
            "yanchor": "bottom",
            "xanchor": "left",
            "traceorder": "normal",
        },
        **more,
    }


def axis(title: str = "", **more: Any) -> Axis:
    """An axis of quiet lines."""
    return {
        "title": {"text": title, "standoff": 10, "font": {"size": 13}},
        "gridcolor": GRID,
        "linecolor": GRID,
        "zeroline": False,
        "automargin": True,
        **more,
    }


def score_axis(metric: str, scores: Iterable[float], **more: Any) -> Axis:
    """The axis of a score: per cent for shares, logarithmic where errors differ much."""
    if maximized(metric):
        shares = {"tickformat": ".0%"} if in_percent(metric) else {}
        return axis(f"{metric} (more is better)", **shares, **more)
    errors = list(scores)
    log = bool(errors) and min(errors) > 0 and max(errors) > LOG_RATIO * min(errors)
    title = f"{metric} (less is better)"
    return axis(title, **(log_scale(errors) if log else {}), **more)


def log_scale(values: Iterable[float]) -> Axis:
    """A logarithmic axis for these values, with plainly written ticks.

    Plotly's own ticks are bare digits between powers of ten, which few can read.
    """
    positive = [value for value in values if value > 0]
    low, high = floor(log10(min(positive))), ceil(log10(max(positive)))
    steps = (1, 2, 5) if high - low <= 2 else (1, 3) if high - low <= 3 else (1,)
    ticks = [step * 10.0**decade for decade in range(low, high + 1) for step in steps]
    return {"type": "log", "tickvals": ticks, "ticktext": [f"{tick:g}" for tick in ticks]}


def colour_of(study: StudyView, branch: str) -> str:
    """A colour for each branch, the same in all figures."""
    names = [candidate.name for candidate in study.spec.every_branch()]
    return COLOURS[names.index(branch) % len(COLOURS)] if branch in names else GREY


def faded(colour: str, opacity: float) -> str:
    """A #rrggbb colour with this opacity."""
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgba({red},{green},{blue},{opacity:g})"


def shown(text: str) -> str:
    """Text as plotly must get it: its labels understand some HTML."""
    return html.escape(" ".join(text.split()), quote=False)


def whiskers(
    values: Sequence[float], lows: Sequence[float], highs: Sequence[float], colour: str
) -> dict[str, Any]:
    """Error bars from `lows` to `highs`, which need not lie around the values."""
    return {
        "type": "data",
        "symmetric": False,
        "array": [max(0.0, high - value) for value, high in zip(values, highs, strict=True)],
        "arrayminus": [max(0.0, value - low) for value, low in zip(values, lows, strict=True)],
        "color": colour,
        "thickness": 1.5,
        "width": 5,
    }
