"""Figures of curves: learning by meta-iterations, adaptation by inner steps."""

from collections.abc import Sequence
from math import ceil, inf

from service.report.figures.base import (
    COLOURS,
    GRID,
    Figure,
    Trace,
    axis,
    colour_of,
    faded,
    layout,
    score_axis,
)
from service.wire.views.report import AdaptationCurve, LearningCurve, StudyReport
from service.wire.words import numbers
from service.wire.words.metrics import in_percent, maximized

MOST_TICKS = 9  # of whole steps


def learning_figures(report: StudyReport) -> list[Figure]:
    """The learning curves of all branches in one figure."""
    curves = report.learning_curves or []
    if not curves:
        return []
    traces: list[Trace] = []
    for name in [branch.name for branch in report.study.spec.branches]:
        own = [curve for curve in curves if curve.branch == name]
        if own:
            best = leading(report, own)
            colour = colour_of(report.study, name)
            others = [curve for curve in own if curve is not best]
            traces += [*_thin(report, name, others, colour), *_bold(report, best, colour)]
    reached = max(curve.points[-1].meta_iteration for curve in curves)
    rungs = [_rung(rung) for rung in report.study.spec.rungs() if rung <= reached]
    scores = [point.score for curve in curves for point in curve.points]
    return [
        Figure(
            "learning_curves",
            "",
            traces,
            layout(
                420,
                xaxis=axis("meta-iterations", rangemode="tozero"),
                yaxis=score_axis(report.study.metric, scores),
                shapes=rungs,
            ),
        )
    ]


def leading(report: StudyReport, curves: Sequence[LearningCurve]) -> LearningCurve:
    """The curve of the best finalist among them, else the first: curves come best first."""
    finalists = report.verdict.finalists if report.verdict else []
    places = {finalist.trial_number: finalist.rank for finalist in finalists}
    last = len(places) + 1
    return min(curves, key=lambda curve: places.get(curve.trial_number, last))


def _thin(
    report: StudyReport, name: str, curves: Sequence[LearningCurve], colour: str
) -> list[Trace]:
    if not curves:
        return []
    x: list[int | None] = []
    y: list[float | None] = []
    text: list[str] = []
    symbols: list[str] = []
    for curve in curves:  # one trace for all: thousands of traces would not draw
        for point in curve.points:
            x.append(point.meta_iteration)
            y.append(point.score)
            text.append(f"trial {curve.trial_number}, {curve.status}")
            symbols.append("circle")
        if curve.status == "diverged":
            symbols[-1] = "x"
        x.append(None)
        y.append(None)
        text.append("")
        symbols.append("circle")
    count = f"{len(curves)} other trial{'s' if len(curves) > 1 else ''}"
    return [
        {
            "type": "scatter",
            "mode": "lines+markers",
            "name": f"{name}: {count}",
            "legendgroup": name,
            "x": x,
            "y": y,
            "text": text,
            "connectgaps": False,
            "line": {"color": faded(colour, 0.45), "width": 1},
            "marker": {"color": faded(colour, 0.45), "size": 5, "symbol": symbols},
            "hovertemplate": f"%{{text}}<br>%{{x}} meta-iterations: {_score(report)}"
            "<extra></extra>",
        }
    ]


def _bold(report: StudyReport, curve: LearningCurve, colour: str) -> list[Trace]:
    x = [point.meta_iteration for point in curve.points]
    # An axis of errors may be logarithmic, on which a bound below zero has no place.
    floors = [-inf if maximized(report.study.metric) else p.score / 4 for p in curve.points]
    low = [max(point.low, least) for point, least in zip(curve.points, floors, strict=True)]
    high = [point.high for point in curve.points]
    name = f"{curve.branch}: trial {curve.trial_number}"
    band = {
        "type": "scatter",
        "mode": "lines",
        "x": [*x, *x[::-1]],
        "y": [*high, *low[::-1]],
        "fill": "toself",
        "fillcolor": faded(colour, 0.16),
        "line": {"width": 0, "color": faded(colour, 0.0)},
        "hoverinfo": "skip",
        "legendgroup": name,
        "showlegend": False,
    }
    bounds = [numbers.interval(p.low, p.high, report.study.metric) for p in curve.points]
    line = {
        "type": "scatter",
        "mode": "lines+markers",
        "name": name,
        "legendgroup": name,
        "x": x,
        "y": [point.score for point in curve.points],
        "text": bounds,
        "line": {"color": colour, "width": 3},
        "marker": {"color": colour, "size": 8},
        "hovertemplate": f"{name}<br>%{{x}} meta-iterations: {_score(report)} %{{text}}"
        "<extra></extra>",
    }
    return [band, line] if len(x) > 1 else [line]


def _rung(meta_iteration: int) -> Trace:
    return {
        "type": "line",
        "xref": "x",
        "yref": "paper",
        "x0": meta_iteration,
        "x1": meta_iteration,
        "y0": 0,
        "y1": 1,
        "layer": "below",
        "line": {"color": GRID.replace("0.22", "0.55"), "width": 1, "dash": "dot"},
    }


def adaptation_figures(report: StudyReport) -> list[Figure]:
    """The adaptation curves of all finalists, or of the leaders so far, in one figure."""
    curves = report.adaptation or []
    traces = [trace for curve in curves for trace in _adaptation(report, curve)]
    if not traces:
        return []
    scores = [score for trace in traces for score in trace["y"]]
    every = ceil(max(len(trace["x"]) for trace in traces) / MOST_TICKS)
    steps = axis("inner steps", rangemode="tozero", tick0=0, dtick=every)
    return [
        Figure(
            "adaptation",
            "",
            traces,
            layout(380, xaxis=steps, yaxis=score_axis(report.study.metric, scores)),
            wide=False,
        )
    ]


def _adaptation(report: StudyReport, curve: AdaptationCurve) -> list[Trace]:
    colour = _adaptation_colour(report, curve)
    place = "" if curve.rank is None else f"{curve.rank}. "
    traces = []
    for kind, scores, dash in (("sealed", curve.sealed, "solid"), ("search", curve.search, "dot")):
        if scores is not None:
            name = f"{place}trial {curve.trial_number} · {curve.branch}"
            traces.append(
                {
                    "type": "scatter",
                    "mode": "lines+markers" if kind == "sealed" else "lines",
                    "name": name,
                    "legendgroup": name,
                    "showlegend": kind == "sealed" or curve.sealed is None,
                    "x": list(range(len(scores))),
                    "y": list(scores),
                    "line": {"color": colour, "width": 2.2 if kind == "sealed" else 1.5,
                             "dash": dash},
                    "marker": {"color": colour, "size": 6},
                    "hovertemplate": f"{name}, {kind}<br>%{{x}} steps: {_score(report)}"
                    "<extra></extra>",
                }
            )  # fmt: skip
    return traces


def _adaptation_colour(report: StudyReport, curve: AdaptationCurve) -> str:
    """A colour for each rank, since finalists may share a branch; leaders have their branch's."""
    if curve.rank is None:
        return colour_of(report.study, curve.branch)
    return COLOURS[(curve.rank - 1) % len(COLOURS)]


def _score(report: StudyReport) -> str:
    return "%{y:.1%}" if in_percent(report.study.metric) else "%{y:.4g}"
