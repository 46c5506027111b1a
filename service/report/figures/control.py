"""The control chart of a schedule: candidate and incumbent of each study, with 95 % intervals.

The incumbent's centre is a line for as long as it belongs to one version of the baseline; a ring
says that the incumbent moved away from it, a bold one that it drifts.
"""

from collections.abc import Callable, Sequence
from itertools import groupby
from math import ceil
from typing import Any, NamedTuple

from service.report.figures.base import (
    COLOURS,
    DIVERGED,
    Figure,
    Trace,
    axis,
    layout,
    score_axis,
    shown,
    whiskers,
)
from service.wire.views.judged import Estimate
from service.wire.views.schedules import ChartPoint, ScheduleHistory
from service.wire.words import instants, numbers

CANDIDATE, INCUMBENT = COLOURS[:2]
MOVED = "#d9950d"
APART = 0.08  # of a study's place, between its two marks
MOST_DATES = 8


class Mark(NamedTuple):
    """An estimate at its place on the chart."""

    x: float
    fired: str
    point: ChartPoint
    estimate: Estimate


def control_figure(history: ScheduleHistory) -> Figure | None:
    """The chart, or None where no study of the schedule has a score yet."""
    points = [point for point in history.points if point.candidate or point.incumbent]
    if not points:
        return None
    fired = [instants.fire_time(point.fire_at, history.time_zone) for point in points]
    candidates = _marks(fired, points, lambda point: point.candidate, -APART)
    incumbents = _marks(fired, points, lambda point: point.incumbent, APART)
    traces = [
        *_centres(points),
        _estimates("candidate", candidates, CANDIDATE, history.metric),
        _estimates("incumbent", incumbents, INCUMBENT, history.metric),
        _rings("moved", [m for m in incumbents if m.point.moved and not m.point.drift], MOVED, 1.6),
        _rings("drift", [m for m in incumbents if m.point.drift], DIVERGED, 3.0),
    ]
    scores = [bound for _, _, _, e in [*candidates, *incumbents] for bound in (e.low, e.high)]
    dates = _dates(fired, history.time_zone)
    return Figure(
        "control",
        "",
        [trace for trace in traces if trace["x"]],
        layout(360, xaxis=dates, yaxis=score_axis(history.metric, scores)),
    )


def _marks(
    fired: Sequence[str],
    points: Sequence[ChartPoint],
    estimate_of: Callable[[ChartPoint], Estimate | None],
    by: float,
) -> list[Mark]:
    estimates = [(place, point, estimate_of(point)) for place, point in enumerate(points)]
    return [
        Mark(place + by, fired[place], point, estimate)
        for place, point, estimate in estimates
        if estimate is not None
    ]


def _dates(fired: Sequence[str], time_zone: str) -> dict[str, Any]:
    places = range(0, len(fired), ceil(len(fired) / MOST_DATES))
    return axis(
        f"days of {time_zone}",
        tickvals=list(places),
        ticktext=[fired[place].split()[0] for place in places],
        range=[-0.6, len(fired) - 0.4],
        showgrid=False,
    )


def _estimates(name: str, marks: Sequence[Mark], colour: str, metric: str) -> Trace:
    values = [mark.estimate.value for mark in marks]
    lows, highs = [m.estimate.low for m in marks], [m.estimate.high for m in marks]
    hollow = [name == "incumbent" and mark.point.stored for mark in marks]
    return {
        "type": "scatter",
        "mode": "markers",
        "name": name,
        "x": [mark.x for mark in marks],
        "y": values,
        "text": [_text(name, mark, metric) for mark in marks],
        "error_y": whiskers(values, lows, highs, colour),
        "marker": {
            "size": 9,
            "color": colour,
            "symbol": ["circle-open" if stored else "circle" for stored in hollow],
            "line": {"width": 2, "color": colour},
        },
        "hovertemplate": "%{text}<extra></extra>",
    }


def _text(name: str, mark: Mark, metric: str) -> str:
    point, estimate = mark.point, mark.estimate
    score = numbers.score_with_interval(estimate.value, estimate.low, estimate.high, metric)
    fired = f"{mark.fired}<br>{name}"
    if name != "incumbent":
        return f"{fired} {score}"
    stored = ", stored scores" if point.stored else ""
    moved = f"<br>{'drift' if point.drift else 'moved'}: {point.moved}" if point.moved else ""
    return f"{fired} {shown(point.baseline or '')}{stored}: {score}{moved}"


def _rings(name: str, marks: Sequence[Mark], colour: str, width: float) -> Trace:
    return {
        "type": "scatter",
        "mode": "markers",
        "name": name,
        "x": [mark.x for mark in marks],
        "y": [mark.estimate.value for mark in marks],
        "marker": {
            "size": 19,
            "color": colour,
            "symbol": "circle-open",
            "line": {"width": width, "color": colour},
        },
        "hoverinfo": "skip",
    }


def _centres(points: Sequence[ChartPoint]) -> list[Trace]:
    centred = [(place, p, p.centre) for place, p in enumerate(points) if p.centre is not None]
    runs = [list(run) for _, run in groupby(centred, key=lambda entry: entry[1].baseline)]
    return [
        {
            "type": "scatter",
            "mode": "lines",
            "name": "its centre",
            "legendgroup": "centre",
            "showlegend": number == 0,
            "x": [place for place, _, _ in run],
            "y": [centre.value for _, _, centre in run],
            "line": {"color": INCUMBENT, "width": 1.5, "dash": "dash"},
            "hoverinfo": "skip",
        }
        for number, run in enumerate(runs)
    ]
