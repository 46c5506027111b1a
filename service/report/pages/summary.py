"""The report's tables as text: the same rows in HTML and in Markdown."""

from collections.abc import Sequence
from typing import NamedTuple

from service.report.pages.sentences import difference
from service.wire.views.report import LearningCurve, StudyReport
from service.wire.views.result import Finalist
from service.wire.words import numbers

MOST_CURVES = 12


class Table(NamedTuple):
    """A header and rows of cells."""

    header: Sequence[str]
    rows: list[list[str]]


def finalist_rows(report: StudyReport) -> Table:
    """Return the finalists, best first."""
    header = ("rank", "trial", "branch", "parameters", "search", "sealed", "optimism", "tied")
    finalists = report.verdict.finalists if report.verdict else []
    return Table(header, [_finalist(report, finalist) for finalist in finalists])


def _finalist(report: StudyReport, one: Finalist) -> list[str]:
    metric = report.study.metric
    sealed = optimism = "–"
    if one.sealed is not None:
        bounds = numbers.interval(one.sealed.low, one.sealed.high, metric)
        sealed = f"{numbers.score(one.sealed.score, metric)} {bounds}"
    if one.optimism is not None:
        sign = "+" if one.optimism > 0 else "−"
        optimism = f"{sign}{difference(one.optimism, metric)}"
    search = numbers.interval(one.search.low, one.search.high, metric)
    return [
        str(one.rank),
        str(one.trial_number),
        one.branch,
        numbers.params(numbers.searched_params(report.study.spec, one.branch, one.params)),
        f"{numbers.score(one.search.score, metric)} {search}",
        sealed,
        optimism,
        "best" if one.rank == 1 else "yes" if one.tied_with_best else "no",
    ]


def pareto_rows(report: StudyReport) -> Table:
    """Return what completed trials score and cost: the Pareto set first, best score first."""
    if report.pareto is None:
        return Table(("trial",), [])
    sign = -1.0 if report.study.maximize else 1.0
    costs = list(dict.fromkeys([*report.pareto.objectives[1:], *report.pareto.bounds]))
    in_order = sorted(
        report.pareto.points,
        key=lambda p: (not p.on_front, bool(p.broken), sign * p.values["score"], p.trial_number),
    )
    rows = [
        [
            str(point.trial_number),
            point.branch,
            numbers.params(numbers.searched_params(report.study.spec, point.branch, point.params)),
            numbers.score(point.values["score"], report.study.metric),
            *(numbers.number(point.values[c]) if c in point.values else "–" for c in costs),
            f"exceeds {', '.join(point.broken)}"
            if point.broken
            else "Pareto set"
            if point.on_front
            else "",
        ]
        for point in in_order[:MOST_CURVES]
    ]
    return Table(("trial", "branch", "parameters", report.study.metric, *costs, ""), rows)


def cost_rows(report: StudyReport) -> Table:
    """Return what each branch cost, and all of them."""
    header = ("branch", "trials", "meta-iterations", "search", "verdict")
    if report.cost is None:
        return Table(header, [])
    rows = [
        [
            one.branch,
            str(one.trials),
            f"{one.meta_iterations:,}",
            numbers.seconds(one.search_seconds),
            numbers.seconds(one.verdict_seconds),
        ]
        for one in report.cost.branches
    ]
    return Table(header, rows)


def cost_sentence(report: StudyReport) -> str:
    """Return the whole cost: devices, clock, how busy the slots were."""
    assert report.cost is not None
    cost = report.cost
    parts = [f"{numbers.seconds(cost.device_seconds)} of devices"]
    if cost.wall_seconds is not None:
        parts.append(f"{numbers.seconds(cost.wall_seconds)} on the clock")
    if cost.busy_share is not None:
        parts.append(f"slots busy {numbers.share(cost.busy_share)}")
    return f"In all: {', '.join(parts)}; {cost.meta_iterations:,} meta-iterations."


def curve_rows(report: StudyReport) -> Table:
    """Return the best trials' scores by rung; the furthest first, then the best score."""
    curves = report.learning_curves or []
    rungs = sorted({point.meta_iteration for curve in curves for point in curve.points})
    sign = -1.0 if report.study.maximize else 1.0

    def place(curve: LearningCurve) -> tuple[bool, int, float]:
        last = curve.points[-1]
        return (curve.status == "diverged", -last.meta_iteration, sign * last.score)

    rows = []
    for curve in sorted(curves, key=place)[:MOST_CURVES]:
        scores = {point.meta_iteration: point.score for point in curve.points}
        cells = [numbers.score(scores.get(rung), report.study.metric) for rung in rungs]
        rows.append([str(curve.trial_number), curve.branch, curve.status, *cells])
    fewer = report.study.spec.pruning.tasks is not None
    tasks = {point.meta_iteration: point.tasks for curve in curves for point in curve.points}
    heads = (f"at {rung:,}" + (f" ({tasks[rung]} tasks)" if fewer else "") for rung in rungs)
    return Table(("trial", "branch", "status", *heads), rows)


def importance_rows(report: StudyReport) -> Table:
    """Return each parameter's share with its interval."""
    rows = [
        [
            branch.branch,
            one.parameter,
            numbers.share(one.share),
            f"{numbers.share(one.low)} … {numbers.share(one.high)}",
        ]
        for branch in report.importances or []
        for one in branch.parameters
    ]
    return Table(("branch", "parameter", "share", "95 %"), rows)


def stability_rows(report: StudyReport) -> Table:
    """Return for each number of inner steps what trained, what diverged, and the frontier."""
    rows = []
    for one in report.stability or []:
        frontier = {point.inner_steps: point for point in one.frontier}
        for steps in sorted({point.inner_steps for point in one.points}):
            row = [point for point in one.points if point.inner_steps == steps]
            diverged = sum(point.diverged for point in row)
            cut = frontier.get(steps)
            shown = f"{cut.inner_lr:.3g} ({cut.low:.3g} … {cut.high:.3g})" if cut else "–"
            rows.append([one.branch, str(steps), str(len(row) - diverged), str(diverged), shown])
    return Table(("branch", "inner steps", "trained", "diverged", "frontier (inner rate)"), rows)


def adaptation_rows(report: StudyReport) -> Table:
    """Return each finalist's sealed score after some numbers of inner steps."""
    curves = [(one, one.sealed or one.search or []) for one in report.adaptation or []]
    longest = max((len(scores) for _, scores in curves), default=0)
    steps = [step for step in (0, 1, 2, 3, 5, 10, 20, 50, 100, 200) if step < longest]
    rows = []
    for one, scores in curves:
        cells = [scores[step] if step < len(scores) else None for step in steps]
        kind = "sealed" if one.sealed else "search"
        rows.append(
            [
                str(one.rank),
                f"{one.trial_number} ({one.branch})",
                kind,
                *(numbers.score(cell, report.study.metric) for cell in cells),
            ]
        )
    return Table(
        ("rank", "trial", "tasks", *(f"{step} step{'' if step == 1 else 's'}" for step in steps)),
        rows,
    )
