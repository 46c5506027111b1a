"""The report's tables as text: the same rows in HTML and in Markdown."""

from service.report.pareto import costs_of
from service.wire.views.report import StudyReport
from service.wire.views.timeline import ACTIVITIES
from service.wire.words import importances, numbers
from service.wire.words.cost_front import cost_table
from service.wire.words.finalists import Table, joined

MOST_CURVES = 12


FINALISTS = {
    "rank": "rank", "trial": "trial", "branch": "branch", "parameters": "parameters",
    "search": "search", "sealed": "sealed", "optimism_in_points": "optimism", "tied": "tied",
}  # fmt: skip


def finalist_rows(report: StudyReport) -> Table:
    """The finalists, best first."""
    if report.verdict is None:
        return Table(tuple(FINALISTS.values()), [])
    return joined(report.study.spec, report.verdict, FINALISTS, absent="–")


def cost_front_rows(report: StudyReport) -> Table:
    """Sealed scores against what an adaptation costs, the cheapest first."""
    if report.cost_front is None:
        return Table(("configuration",), [])
    return cost_table(report.cost_front, report.study.metric)


def pareto_rows(report: StudyReport) -> Table:
    """Scores and costs of completed trials: the Pareto set first, best score first."""
    if report.pareto is None:
        return Table(("trial",), [])
    loss = report.study.spec.goals().loss
    costs = costs_of(report.pareto)
    in_order = sorted(
        report.pareto.points,
        key=lambda p: (not p.on_front, bool(p.broken), loss(p.values["score"]), p.trial_number),
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
    """Trials, meta-iterations and device time of each branch."""
    header = ("branch", "trials", "meta-iterations", "search", "verdict")
    if report.cost is None:
        return Table(header, [])
    rows = [
        [
            cost.branch,
            str(cost.trials),
            f"{cost.meta_iterations:,}",
            numbers.seconds(cost.search_seconds),
            numbers.seconds(cost.verdict_seconds),
        ]
        for cost in report.cost.branches
    ]
    return Table(header, rows)


def cost_sentence(report: StudyReport) -> str:
    """The whole cost: devices, clock, how busy the slots were."""
    assert report.cost is not None
    cost = report.cost
    parts = [f"{numbers.seconds(cost.device_seconds)} of devices"]
    if cost.wall_seconds is not None:
        parts.append(f"{numbers.seconds(cost.wall_seconds)} on the clock")
    if cost.busy_share is not None:
        parts.append(f"slots busy {numbers.share(cost.busy_share)}")
    return f"In all: {', '.join(parts)}; {cost.meta_iterations:,} meta-iterations."


def timeline_rows(report: StudyReport) -> Table:
    """Seconds of each slot by activity; activities that took none are left out."""
    slots = report.timeline.slots if report.timeline else []
    shown = [name for name in ACTIVITIES if any(name in slot.seconds for slot in slots)]
    rows = [
        [slot.slot, *(numbers.seconds(slot.seconds.get(name, 0.0)) for name in shown)]
        for slot in slots
    ]
    return Table(("slot", *shown), rows)


def curve_rows(report: StudyReport) -> Table:
    """Scores of the best trials by rung, best first."""
    curves = report.learning_curves or []
    rungs = sorted({point.meta_iteration for curve in curves for point in curve.points})
    rows = []
    for curve in curves[:MOST_CURVES]:
        scores = {point.meta_iteration: point.score for point in curve.points}
        cells = [numbers.score(scores.get(rung), report.study.metric) for rung in rungs]
        rows.append([str(curve.trial_number), curve.branch, curve.status, *cells])
    fewer = report.study.spec.pruning.tasks is not None
    tasks = {point.meta_iteration: point.tasks for curve in curves for point in curve.points}
    heads = (f"at {rung:,}" + (f" ({tasks[rung]} tasks)" if fewer else "") for rung in rungs)
    return Table(("trial", "branch", "status", *heads), rows)


def importance_rows(report: StudyReport) -> Table:
    """The share of each parameter and pair, with its interval, and whether chance explains it."""
    rows = [
        [
            branch.branch,
            row.label,
            numbers.share(row.share),
            f"{numbers.share(row.low)} … {numbers.share(row.high)}",
            importances.answer(row),
        ]
        for branch in report.importances or []
        for row in importances.rows(branch)
    ]
    return Table(("branch", "parameter", "share", "95 %", ""), rows)


def stability_rows(report: StudyReport) -> Table:
    """By number of inner steps: trials that trained, that diverged, and the frontier."""
    rows = []
    for branch in report.stability or []:
        frontier = {point.inner_steps: point for point in branch.frontier}
        for steps in sorted({point.inner_steps for point in branch.points}):
            row = [point for point in branch.points if point.inner_steps == steps]
            diverged = sum(point.diverged for point in row)
            cut = frontier.get(steps)
            shown = f"{cut.inner_lr:.3g} ({cut.low:.3g} … {cut.high:.3g})" if cut else "–"
            trained = str(len(row) - diverged)
            rows.append([branch.branch, str(steps), trained, str(diverged), shown])
    return Table(("branch", "inner steps", "trained", "diverged", "frontier (inner rate)"), rows)


def adaptation_rows(report: StudyReport) -> Table:
    """The sealed score of each finalist after some numbers of inner steps."""
    curves = [(curve, curve.sealed or curve.search or []) for curve in report.adaptation or []]
    longest = max((len(scores) for _, scores in curves), default=0)
    steps = [step for step in (0, 1, 2, 3, 5, 10, 20, 50, 100, 200) if step < longest]
    rows = []
    for curve, scores in curves:
        cells = [scores[step] if step < len(scores) else None for step in steps]
        kind = "sealed" if curve.sealed else "search"
        rows.append(
            [
                "" if curve.rank is None else str(curve.rank),
                f"{curve.trial_number} ({curve.branch})",
                kind,
                *(numbers.score(cell, report.study.metric) for cell in cells),
            ]
        )
    return Table(
        ("rank", "trial", "tasks", *(f"{step} step{'' if step == 1 else 's'}" for step in steps)),
        rows,
    )
