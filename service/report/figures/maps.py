"""Figures of single trials: slices of the space, and the stability map."""

from collections.abc import Sequence
from math import ceil
from typing import Any

from service.report.figures.base import (
    DIVERGED,
    GREY,
    Figure,
    Trace,
    axis,
    colour_of,
    faded,
    layout,
    log_scale,
    score_axis,
    shown,
)
from service.wire.views.report import Slice, SlicePoint, StabilityMap, StabilityPoint, StudyReport

COLUMNS = 3
ROW_HEIGHT = 270


def slice_figures(report: StudyReport) -> list[Figure]:
    """A figure for each branch: a small plot for each searched parameter."""
    names = [branch.name for branch in report.study.spec.branches]
    slices = report.slices or []
    by_branch = {name: [s for s in slices if s.branch == name] for name in names}
    return [_slices(report, name, own) for name, own in by_branch.items() if own]


def _slices(report: StudyReport, name: str, slices: Sequence[Slice]) -> Figure:
    columns = min(COLUMNS, len(slices))
    rows = ceil(len(slices) / columns)
    scores = [point.score for section in slices for point in section.points]
    traces: list[Trace] = []
    axes: dict[str, Any] = {}
    for index, section in enumerate(slices):
        suffix = "" if index == 0 else str(index + 1)
        row, column = divmod(index, columns)
        traces += _slice(report, section, suffix, legend=index == 0)
        scale = {"type": "category"} if _is_named(section) else _scale(section)
        across, up = _place(column, columns), _place(rows - 1 - row, rows)
        axes[f"xaxis{suffix}"] = axis(
            section.parameter, domain=across, anchor=f"y{suffix}", **scale
        )
        shared = {} if index == 0 else {"matches": "y", "showticklabels": column == 0}
        score = score_axis(report.study.metric, scores, domain=up, anchor=f"x{suffix}", **shared)
        axes[f"yaxis{suffix}"] = score if column == 0 else {**score, "title": {"text": ""}}
    heading = name if len(report.study.spec.branches) > 1 else ""
    return Figure("slices", heading, traces, layout(80 + rows * ROW_HEIGHT, **axes))


def _place(index: int, count: int) -> list[float]:
    gap = 0.0 if count == 1 else 0.24 / count
    width = (1 - gap * (count - 1)) / count
    return [round(index * (width + gap), 4), round(index * (width + gap) + width, 4)]


def _slice(report: StudyReport, section: Slice, suffix: str, *, legend: bool) -> list[Trace]:
    colour = colour_of(report.study, section.branch)
    markers = {
        "completed": {"color": faded(colour, 0.8), "size": 8},
        "pruned": {"color": colour, "size": 7, "symbol": "circle-open"},
        "diverged": {"color": DIVERGED, "size": 7, "symbol": "x"},
        "unfinished": {"color": GREY, "size": 6, "symbol": "diamond-open"},
    }
    value = "%{x}" if _is_named(section) else "%{x:.4g}"
    traces = []
    for status, marker in markers.items():
        points = [point for point in section.points if _shown_as(point) == status]
        if points:
            traces.append(
                {
                    "type": "scatter",
                    "mode": "markers",
                    "name": status,
                    "legendgroup": status,
                    "showlegend": legend,
                    "x": [point.value for point in points],
                    "y": [point.score for point in points],
                    "text": [_point_text(point) for point in points],
                    "xaxis": f"x{suffix}",
                    "yaxis": f"y{suffix}",
                    "marker": marker,
                    "hovertemplate": f"%{{text}}<br>{value}: %{{y:.4g}}<extra></extra>",
                }
            )
    return traces


def _scale(section: Slice) -> dict[str, Any]:
    values = [float(point.value) for point in section.points]
    return log_scale(values) if section.log else {}


def _is_named(section: Slice) -> bool:
    return any(isinstance(point.value, str) for point in section.points)


def _shown_as(point: SlicePoint) -> str:
    return point.status if point.status in ("completed", "pruned", "diverged") else "unfinished"


def _point_text(point: SlicePoint) -> str:
    return f"trial {point.trial_number}, {point.status} at {point.meta_iteration}"


def stability_figures(report: StudyReport) -> list[Figure]:
    """A map for each branch that has one."""
    return [_stability(report, stability) for stability in report.stability or []]


def _stability(report: StudyReport, stability: StabilityMap) -> Figure:
    colour = colour_of(report.study, stability.branch)
    trained = [point for point in stability.points if not point.diverged]
    diverged = [point for point in stability.points if point.diverged]
    traces = [
        _points("trained", trained, {"color": faded(colour, 0.75), "size": 9}),
        _points("diverged", diverged, {"color": DIVERGED, "size": 9, "symbol": "x"}),
    ]
    if stability.frontier:
        traces.append(_frontier(stability))
    rates = [point.inner_lr for point in stability.points]
    log = min(rates) > 0 and max(rates) > 10 * min(rates)
    steps = sorted({point.inner_steps for point in stability.points})
    return Figure(
        "stability",
        stability.branch if len(report.stability or []) > 1 else "",
        [trace for trace in traces if trace["x"]],
        layout(
            360,
            xaxis=axis("inner rate", **(log_scale(rates) if log else {})),
            yaxis=axis(
                "inner steps",
                range=[steps[0] - 0.6, steps[-1] + 0.6],
                dtick=max(1, ceil((steps[-1] - steps[0]) / 8)),
                tick0=steps[0],
            ),
        ),
        wide=False,
    )


def _points(name: str, points: Sequence[StabilityPoint], marker: dict[str, Any]) -> Trace:
    return {
        "type": "scatter",
        "mode": "markers",
        "name": f"{name} ({len(points)})",
        "x": [point.inner_lr for point in points],
        "y": [point.inner_steps for point in points],
        "text": [_outcome(point) for point in points],
        "marker": marker,
        "hovertemplate": "%{text}<br>inner rate %{x:.4g}, %{y} steps<extra></extra>",
    }


def _outcome(point: StabilityPoint) -> str:
    if not point.diverged:
        return f"trial {point.trial_number}, trained"
    when = f" at {point.diverged_at}" if point.diverged_at is not None else ""
    cause = f"<br>{shown(point.cause)[:160]}" if point.cause else ""
    return f"trial {point.trial_number}, diverged{when}{cause}"


def _frontier(stability: StabilityMap) -> Trace:
    return {
        "type": "scatter",
        "mode": "lines+markers",
        "name": "frontier",
        "x": [point.inner_lr for point in stability.frontier],
        "y": [point.inner_steps for point in stability.frontier],
        "text": [
            f"{p.low:.4g} … {p.high:.4g}, {p.misplaced} misplaced" for p in stability.frontier
        ],
        "line": {"color": DIVERGED, "width": 2, "dash": "dash"},
        "marker": {"color": DIVERGED, "size": 11, "symbol": "line-ns-open"},
        "hovertemplate": "frontier %{x:.4g} (%{text})<extra></extra>",
    }
