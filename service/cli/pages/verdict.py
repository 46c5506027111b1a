"""The verdict on the command line: a line for each finalist, then what else is to be known."""

import math
from collections.abc import Iterator

from service.cli import console
from service.cli.pages import words
from service.wire.views.result import Finalist, StudyResult
from service.wire.views.studies import StudyView
from service.wire.words import verdict
from service.wire.words.gates import gate_sentences

HEADER = (
    "rank", "branch", "trial", "parameters", "search", "95 %", "sealed", "95 %", "optimism",
    "95 %", "in search", "minus best", "95 %", "tied", "seconds",
)  # fmt: skip


def verdict_page(study: StudyView, result: StudyResult) -> None:
    """Print the verdict: finalists best first, the comparison, and what it all cost."""
    title = f"Verdict of {study.name} ({result.metric}, sealed meta-test tasks)"
    console.table(title, HEADER, [_row(study, finalist) for finalist in result.finalists])
    if result.pareto is not None:
        header = ("trial", "branch", "parameters", *result.objectives, "finalist")
        console.table("Pareto set of the search", header, list(_pareto_rows(study, result)))
    for line in _lines(study, result):
        console.data(line)


def _lines(study: StudyView, result: StudyResult) -> Iterator[str]:
    looks = f"; looked at {study.sealed_looks} times" if study.sealed_looks else ""
    yield f"sealed intervals: 95 %, over {result.intervals_cover}{looks}{_luck(result)}"
    if result.comparison is not None:
        yield verdict.compared(study.spec, result, result.comparison)
    if result.first_order_until is not None:
        yield f"order second: {words.first_order(result.first_order_until)}, afresh too"
    steps = (verdict.steps_at_test(one, result.metric) for one in result.finalists)
    yield from filter(None, steps)
    yield from _costs_of_finalists(result)
    for name, branch in result.branches.items():
        best = words.score(branch.best_score, result.metric)
        spent = words.seconds(branch.device_seconds)
        yield f"branch {name}: {branch.trials} trials, best search score {best}, {spent}"
    for finalist in result.finalists:
        if finalist.search.trainings > 1:
            yield (
                f"trial {finalist.trial_number}: its search score is the mean of "
                f"{finalist.search.trainings} trainings"
            )
    yield _costs(result)
    if result.search and result.search.ended_by != "trials":
        yield words.search_end(result.search)
    yield from _troubles(result)
    yield from gate_sentences(result.gates) if result.gates else ()


def _pareto_rows(study: StudyView, result: StudyResult) -> Iterator[tuple[str, ...]]:
    finalists = {finalist.trial_number for finalist in result.finalists}
    for one in result.pareto or []:
        score, *others = (one.values[name] for name in result.objectives)
        yield (
            str(one.trial_number),
            one.branch,
            words.params(words.searched_params(study.spec, one.branch, one.params)),
            words.score(score, result.metric),
            *(words.number(value) for value in others),
            "yes" if one.trial_number in finalists else "no",
        )


def _costs_of_finalists(result: StudyResult) -> Iterator[str]:
    named = [*result.objectives[1:], *result.constraints]
    if result.constraints:
        bounds = ", ".join(f"{name} <= {bound:g}" for name, bound in result.constraints.items())
        yield f"bounds: {bounds}; {result.infeasible} of the trials judged exceed one"
    for finalist in result.finalists if named else []:
        costs = {name: finalist.metrics[name] for name in dict.fromkeys(named)}
        said = f"trial {finalist.trial_number}: {words.params(costs)} in the search"
        fresh = {n: v for n, v in finalist.sealed_metrics.items() if n in costs}
        over = [n for n, v in fresh.items() if v > result.constraints.get(n, math.inf)]
        said += f", {words.params(fresh)} trained afresh" if fresh else ""
        yield f"{said}: exceeds {', '.join(over)}" if over else said


def _luck(result: StudyResult) -> str:
    sealed = result.finalists[0].sealed
    if sealed is None or sealed.chosen_among < 3:  # the best of two needs no other interval
        return ""
    return f"; the best's allows for the luck of being the best of {sealed.chosen_among}"


def _costs(result: StudyResult) -> str:
    spent = f"{words.seconds(result.device_seconds)} of devices"
    if result.busy_share is not None:
        spent += f" (busy {words.share(result.busy_share)})"
    took = f"{words.seconds(result.wall_seconds)} on the clock"
    again = f"; again: {words.counts(result.replicas)}" if result.replicas else ""
    return f"in all: {words.counts(result.trials)}{again}; {spent}, {took}"


def _troubles(result: StudyResult) -> Iterator[str]:
    for finalist in result.finalists:
        if finalist.sealed and finalist.sealed.diverged_share:
            share = f"{100 * finalist.sealed.diverged_share:.2g} %"
            yield f"trial {finalist.trial_number} diverged on {share} of its sealed tasks"
    every_run = [run for finalist in result.finalists for run in finalist.runs]
    for run in [*every_run, *(result.comparison.runs if result.comparison else [])]:
        if run.status != "completed":
            yield f"fresh training {run.trial_number} {run.status}: {run.cause}"


def _row(study: StudyView, finalist: Finalist) -> tuple[str, ...]:
    metric, search, sealed = study.metric, finalist.search, finalist.sealed
    return (
        str(finalist.rank),
        finalist.branch,
        str(finalist.trial_number),
        words.params(words.searched_params(study.spec, finalist.branch, finalist.params)),
        words.score(search.score, metric),
        words.interval(search.low, search.high, metric),
        words.score(sealed.score if sealed else None, metric),
        words.interval(sealed.low, sealed.high, metric) if sealed else "-",
        words.difference(finalist.optimism, metric),
        verdict.interval(finalist.optimism_interval, metric),
        "-" if finalist.search_rank is None else str(finalist.search_rank),
        words.difference(finalist.to_best.value if finalist.to_best else None, metric),
        verdict.interval(finalist.to_best, metric),
        "best" if finalist.rank == 1 else "yes" if finalist.tied_with_best else "no",
        f"{finalist.device_seconds:.1f}",
    )
