"""Figures of the Pareto set: the score against each cost, and the bounds."""

from collections.abc import Sequence
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
)
from service.report.pareto import costs_of
from service.wire.views.report import Pareto, ParetoPoint, StudyReport
from service.wire.words import numbers

WIDE_RATIO = 20.0  # a cost that differs more is shown on a logarithmic axis


def pareto_figures(report: StudyReport) -> list[Figure]:
    """A scatter for each cost."""
    if report.pareto is None:
        return []
    return [_scatter(report, report.pareto, cost) for cost in costs_of(report.pareto)]


def _scatter(report: StudyReport, pareto: Pareto, cost: str) -> Figure:
    points = [point for point in pareto.points if cost in point.values]
    traces = [
        trace for name in report.study.branches for trace in _branch(report, points, name, cost)
    ]
    values = [point.values[cost] for point in points]
    bound = pareto.bounds.get(cost)
    reach = [*values, *([bound] if bound is not None else [])]
    log = bool(reach) and min(reach) > 0 and max(reach) > WIDE_RATIO * min(reach)
    scores = [point.values["score"] for point in points]
    return Figure(
        "pareto",
        "",
        traces,
        layout(
            380,
            xaxis=axis(f"{cost} (less is better)", **(log_scale(reach) if log else {})),
            yaxis=score_axis(report.study.metric, scores),
            shapes=[] if bound is None else [_bound(bound)],
        ),
        wide=False,
    )


def _bound(bound: float) -> dict[str, Any]:
    return {
        "type": "line",
        "xref": "x",
        "yref": "paper",
        "x0": bound,
        "x1": bound,
        "y0": 0,
        "y1": 1,
        "line": {"color": DIVERGED, "width": 1.5, "dash": "dash"},
    }


def _branch(
    report: StudyReport, points: Sequence[ParetoPoint], name: str, cost: str
) -> list[Trace]:
    colour = colour_of(report.study, name)
    own = [point for point in points if point.branch == name]
    kinds = {
        "Pareto set": ([p for p in own if p.on_front], {"color": faded(colour, 0.9), "size": 10}),
        "other": (
            [p for p in own if not p.on_front and not p.broken],
            {"color": colour, "size": 7, "symbol": "circle-open"},
        ),
        "breaks a bound": (
            [p for p in own if p.broken],
            {"color": GREY, "size": 7, "symbol": "x"},
        ),
    }
    return [
        _trace(f"{name}: {kind}", some, marker, cost)
        for kind, (some, marker) in kinds.items()
        if some
    ]


def _trace(name: str, points: Sequence[ParetoPoint], marker: dict[str, Any], cost: str) -> Trace:
    return {
        "type": "scatter",
        "mode": "markers",
        "name": name,
        "x": [point.values[cost] for point in points],
        "y": [point.values["score"] for point in points],
        "text": [_text(point) for point in points],
        "marker": marker,
        "hovertemplate": f"%{{text}}<br>{cost} %{{x:.4g}}: %{{y:.4g}}<extra></extra>",
    }


def _text(point: ParetoPoint) -> str:
    broken = f", exceeds {', '.join(point.broken)}" if point.broken else ""
    return f"trial {point.trial_number}{broken}<br>{numbers.params(point.params)[:160]}"
