"""Figures of a few numbers: the verdict's forest, importances, cost."""

from service.report.figures.base import (
    GREY,
    Figure,
    Trace,
    axis,
    colour_of,
    faded,
    layout,
    score_axis,
    whiskers,
)
from service.wire.views.report import BranchCost, BranchImportances, StudyReport
from service.wire.views.result import Finalist
from service.wire.words import importances, numbers
from service.wire.words.importances import Row

ROW_HEIGHT = 34
CHANCE = "#dc4446"
OFFSET = 0.14  # between the two marks of a finalist


def verdict_figures(report: StudyReport) -> list[Figure]:
    """The finalists' scores, the search's beside the sealed ones."""
    finalists = report.verdict.finalists if report.verdict else []
    if not finalists:
        return []
    judged = [finalist for finalist in finalists if finalist.sealed]
    search = [(f.rank - OFFSET, f, f.search.score, f.search.low, f.search.high) for f in finalists]
    sealed = [
        (f.rank + OFFSET, f, f.sealed.score, f.sealed.low, f.sealed.high)
        for f in judged
        if f.sealed
    ]
    traces = [_marks(report, "search", search), _marks(report, "sealed", sealed)]
    values = [x for _, _, *scores in [*search, *sealed] for x in scores]
    ranks = axis(
        "",
        tickvals=[finalist.rank for finalist in finalists],
        ticktext=[f"{f.rank}. trial {f.trial_number} · {f.branch}" for f in finalists],
        range=[len(finalists) + 0.5, 0.5],
        showgrid=False,
    )
    shape = layout(
        120 + 2 * ROW_HEIGHT * len(finalists),
        xaxis=score_axis(report.study.metric, values),
        yaxis=ranks,
    )
    return [Figure("verdict", "", [trace for trace in traces if trace["x"]], shape)]


def _marks(
    report: StudyReport, name: str, rows: list[tuple[float, Finalist, float, float, float]]
) -> Trace:
    colours = [colour_of(report.study, finalist.branch) for _, finalist, *_ in rows]
    values = [value for _, _, value, _, _ in rows]
    lows, highs = [low for *_, low, _ in rows], [high for *_, high in rows]
    metric = report.study.metric
    return {
        "type": "scatter",
        "mode": "markers",
        "name": name,
        "x": values,
        "y": [place for place, *_ in rows],
        "text": [
            f"{name} {numbers.score(value, metric)} {numbers.interval(low, high, metric)}"
            for _, _, value, low, high in rows
        ],
        "error_x": whiskers(values, lows, highs, "#8a93a1"),
        "marker": {
            "size": 11,
            "color": colours,
            "symbol": "circle-open" if name == "search" else "circle",
            "line": {"width": 2, "color": colours},
        },
        "hovertemplate": "%{text}<extra></extra>",
    }


def importance_figures(report: StudyReport) -> list[Figure]:
    """The importances of all branches in one figure."""
    branches = [branch for branch in report.importances or [] if branch.parameters]
    if not branches:
        return []
    several = len(report.importances or []) > 1
    rows = [(branch, _labelled(branch, several=several)) for branch in branches]
    labels = [row.label for _, own in rows for row in own]
    shape = layout(
        110 + ROW_HEIGHT * len(labels),
        xaxis=axis("share", tickformat=".0%", range=[0, 1.02]),
        yaxis=axis("", categoryorder="array", categoryarray=labels[::-1], showgrid=False),
        showlegend=False,
        bargap=0.35,
        annotations=[_grey_label(row) for _, own in rows for row in own if _is_grey(row)],
    )
    bars = [_bars(colour_of(report.study, branch.branch), branch, own) for branch, own in rows]
    ticks = _chance_ticks([row for _, own in rows for row in own])
    return [Figure("importances", "", [*bars, *ticks], shape, wide=False)]


def _labelled(branch: BranchImportances, *, several: bool) -> list[Row]:
    rows = importances.rows(branch)
    return [
        row._replace(label=f"{row.label} · {branch.branch}") if several else row for row in rows
    ]


def _is_grey(row: Row) -> bool:
    return row.more_than_chance is False


def _grey_label(row: Row) -> Trace:
    return {
        "x": max(row.high, row.chance or 0.0),
        "y": row.label,
        "text": importances.NO_MORE,
        "showarrow": False,
        "xanchor": "left",
        "xshift": 10,
        "opacity": 0.75,
    }


def _bars(colour: str, branch: BranchImportances, rows: list[Row]) -> Trace:
    shares = [row.share for row in rows]
    return {
        "type": "bar",
        "orientation": "h",
        "name": branch.branch,
        "x": shares,
        "y": [row.label for row in rows],
        "text": [
            f"{numbers.share(row.low)} … {numbers.share(row.high)}, {importances.answer(row)}"
            for row in rows
        ],
        "textposition": "none",
        "marker": {"color": [faded(GREY if _is_grey(row) else colour, 0.75) for row in rows]},
        "error_x": whiskers(shares, [r.low for r in rows], [r.high for r in rows], GREY),
        "hovertemplate": "%{y}: %{x:.1%} (%{text})<extra></extra>",
    }


def _chance_ticks(rows: list[Row]) -> list[Trace]:
    """A tick at what chance explains at most; none in a report from before that was tested."""
    tested = [row for row in rows if row.chance is not None]
    if not tested:
        return []
    return [
        {
            "type": "scatter",
            "mode": "markers",
            "name": "chance",
            "x": [row.chance for row in tested],
            "y": [row.label for row in tested],
            "marker": {
                "symbol": "line-ns-open",
                "size": 16,
                "color": CHANCE,
                "line": {"width": 2, "color": CHANCE},
            },
            "hovertemplate": "%{y}: chance explains up to %{x:.1%}<extra></extra>",
        }
    ]


def cost_figures(report: StudyReport) -> list[Figure]:
    """The seconds of devices by branch."""
    if report.cost is None:
        return []
    branches = report.cost.branches
    bars = [
        _seconds(report, "search", branches, [b.search_seconds for b in branches], 0.8),
        _seconds(report, "verdict", branches, [b.verdict_seconds for b in branches], 0.4),
    ]
    shape = layout(
        110 + ROW_HEIGHT * len(branches),
        xaxis=axis("device seconds", rangemode="tozero"),
        yaxis=axis("", autorange="reversed", showgrid=False),
        barmode="stack",
        bargap=0.35,
    )
    return [Figure("cost", "", bars, shape, wide=False)]


def _seconds(
    report: StudyReport, name: str, branches: list[BranchCost], seconds: list[float], opacity: float
) -> Trace:
    return {
        "type": "bar",
        "orientation": "h",
        "name": name,
        "x": seconds,
        "y": [branch.branch for branch in branches],
        "text": [numbers.seconds(value) for value in seconds],
        "textposition": "none",
        "marker": {"color": [faded(colour_of(report.study, b.branch), opacity) for b in branches]},
        "hovertemplate": f"%{{y}}, {name}: %{{text}}<extra></extra>",
    }
