"""Figure of a verdict's configurations: the sealed score against what an adaptation costs."""

from service.report.figures.base import (
    GREY,
    Figure,
    Trace,
    axis,
    colour_of,
    layout,
    log_scale,
    score_axis,
    whiskers,
)
from service.report.figures.pareto import WIDE_RATIO
from service.wire.views.cost_front import CostFront, CostPoint
from service.wire.views.report import StudyReport
from service.wire.words.cost_front import STANDING


def cost_front_figures(report: StudyReport) -> list[Figure]:
    """The points with their intervals, and the front as a line of steps."""
    front = report.cost_front
    if front is None:
        return []
    costs = [point.cost for point in front.points]
    log = min(costs) > 0 and max(costs) > WIDE_RATIO * min(costs)
    scores = [bound for point in front.points for bound in (point.low, point.high)]
    return [
        Figure(
            "cost_front",
            "",
            [_line(front), *(_point(report, front, point) for point in front.points)],
            layout(
                380,
                xaxis=axis(f"{front.metric} (less is better)", **(log_scale(costs) if log else {})),
                yaxis=score_axis(report.study.metric, scores),
            ),
            wide=False,
        )
    ]


def _line(front: CostFront) -> Trace:
    best = [point for point in front.points if point.standing == "front"]
    return {
        "type": "scatter",
        "mode": "lines",
        "name": "front",
        "x": [point.cost for point in best],
        "y": [point.score for point in best],
        "line": {"color": GREY, "width": 1.5, "dash": "dot", "shape": "hv"},
        "hoverinfo": "skip",
    }


def _point(report: StudyReport, front: CostFront, point: CostPoint) -> Trace:
    colour = colour_of(report.study, point.branch)
    hollow = {} if point.standing == "front" else {"symbol": "circle-open"}
    return {
        "type": "scatter",
        "mode": "markers",
        "name": f"{point.branch}: {point.name}",
        "x": [point.cost],
        "y": [point.score],
        "error_y": whiskers([point.score], [point.low], [point.high], colour),
        "text": [f"{point.name}<br>{STANDING[point.standing]}"],
        "marker": {"color": colour, "size": 10, **hollow},
        "hovertemplate": f"%{{text}}<br>{front.metric} %{{x:.4g}}: %{{y:.4g}}<extra></extra>",
    }
