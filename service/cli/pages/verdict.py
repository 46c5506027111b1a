"""The verdict on the command line: a line for each finalist, then comparison, cost, gates."""

import math
from collections.abc import Iterator

from service.cli import console
from service.cli.pages import words
from service.wire.views.result import StudyResult
from service.wire.views.studies import StudyView
from service.wire.words import numbers, verdict
from service.wire.words.branches import trained_by, with_trained
from service.wire.words.cost_front import cost_table
from service.wire.words.finalists import side_by_side
from service.wire.words.gates import gate_sentences
from service.wire.words.meta_learning import TITLE, worth_table
from service.wire.words.trivial import trivial_lines

HEADINGS = {
    "rank": "rank", "branch": "branch", "trial": "trial", "parameters": "parameters",
    "search": "search", "sealed": "sealed", "optimism": "optimism", "search_rank": "in search",
    "to_best": "minus best", "tied": "tied", "device_seconds": "seconds",
}  # fmt: skip


def verdict_page(study: StudyView, result: StudyResult) -> None:
    """Print the verdict: finalists best first, the comparison, and the cost of it all."""
    title = f"Verdict of {study.name} ({result.metric}, sealed meta-test tasks)"
    console.table(title, *side_by_side(study.spec, result, HEADINGS, absent="-"))
    if result.cost_front is not None:
        front = cost_table(result.cost_front, result.metric)
        console.table("Score against cost", front.header, front.rows)
    if result.pareto is not None:
        header = ("trial", "branch", "parameters", *result.objectives, "finalist")
        console.table("Pareto set of the search", header, list(_pareto_rows(study, result)))
    if worth := worth_table(result):
        console.table(TITLE, *worth)
    for line in _lines(study, result):
        console.data(line)


def heavy_scores(result: StudyResult) -> dict[int, list[str]]:
    """By heavy task that a verdict names: who has it among his, and his score there, in words."""
    judged = [(f"trial {finalist.trial_number}", finalist.sealed) for finalist in result.finalists]
    judged += [(verdict.reference_name(each), each.sealed) for each in result.every_comparison()]
    scores: dict[int, list[str]] = {}
    for name, sealed in judged:
        heavy = sealed and sealed.heavy_tasks
        for task in heavy.tasks if heavy else []:
            score = numbers.score(task.score, result.metric)
            scores.setdefault(task.task, []).append(f"{name} {score}")
    return scores


def _lines(study: StudyView, result: StudyResult) -> Iterator[str]:
    looks = f"; looked at {numbers.times(study.sealed_looks)}" if study.sealed_looks else ""
    yield f"sealed intervals: 95 %, over {result.intervals_cover}{looks}{_luck(result)}"
    yield from trivial_lines(result)
    for comparison in verdict.tuned_against(result):
        yield verdict.compared(study.spec, result, comparison)
    if result.first_order_until is not None:
        yield f"order second: {numbers.first_order(result.first_order_until)}, afresh too"
    if result.keep == "best":
        yield verdict.KEEPS_BEST
        yield from filter(None, map(verdict.kept, result.finalists))
    steps = (verdict.steps_at_test(finalist, result.metric) for finalist in result.finalists)
    yield from filter(None, steps)
    yield from _costs_of_finalists(result)
    for name, branch in result.branches.items():
        best = numbers.score(branch.best_score, result.metric)
        spent = numbers.seconds(branch.device_seconds)
        named = with_trained(name, trained_by(study.spec, name))
        yield f"branch {named}: {branch.trials} trials, best search score {best}, {spent}"
    for finalist in result.finalists:
        if finalist.search.trainings > 1:
            yield (
                f"trial {finalist.trial_number}: its search score is the mean of "
                f"{finalist.search.trainings} trainings"
            )
    yield _costs(result)
    if result.search and result.search.ended_by != "trials":
        yield words.search_end(result.search)
    yield from _troubles(study, result)
    yield from gate_sentences(result.gates) if result.gates else ()


def _pareto_rows(study: StudyView, result: StudyResult) -> Iterator[tuple[str, ...]]:
    finalists = {finalist.trial_number for finalist in result.finalists}
    for trial in result.pareto or []:
        score, *others = (trial.values[name] for name in result.objectives)
        yield (
            str(trial.trial_number),
            trial.branch,
            numbers.params(numbers.searched_params(study.spec, trial.branch, trial.params)),
            numbers.score(score, result.metric),
            *(numbers.number(value) for value in others),
            "yes" if trial.trial_number in finalists else "no",
        )


def _costs_of_finalists(result: StudyResult) -> Iterator[str]:
    named = [*result.objectives[1:], *result.constraints]
    if result.constraints:
        yield f"bounds: {verdict.bounds(result)}"
    for finalist in result.finalists if named else []:
        costs = {name: finalist.metrics[name] for name in dict.fromkeys(named)}
        line = f"trial {finalist.trial_number}: {numbers.params(costs)} in the search"
        fresh = {n: v for n, v in finalist.sealed_metrics.items() if n in costs}
        over = [n for n, v in fresh.items() if v > result.constraints.get(n, math.inf)]
        line += f", {numbers.params(fresh)} trained afresh" if fresh else ""
        yield f"{line}: exceeds {', '.join(over)}" if over else line


def _luck(result: StudyResult) -> str:
    sealed = result.finalists[0].sealed
    if sealed is None or sealed.chosen_among < 3:  # the best of two needs no other interval
        return ""
    return f"; the best's allows for the luck of being the best of {sealed.chosen_among}"


def _costs(result: StudyResult) -> str:
    spent = f"{numbers.seconds(result.device_seconds)} of devices"
    if result.busy_share is not None:
        spent += f" (busy {numbers.share(result.busy_share)})"
    took = f"{numbers.seconds(result.wall_seconds)} on the clock"
    replicas = f"; again: {words.counts(result.replicas)}" if result.replicas else ""
    return f"in all: {words.counts(result.trials)}{replicas}; {spent}, {took}"


def _troubles(study: StudyView, result: StudyResult) -> Iterator[str]:
    yield from (f"mind: {caution.text}" for caution in result.cautions)
    if heavy := heavy_scores(result):
        them = "it" if len(heavy) == 1 else "them"
        yield f"see {them}: metaopt task {study.study_id} {' '.join(map(str, heavy))}"
    every_run = [run for finalist in result.finalists for run in finalist.runs]
    every_run += [run for comparison in result.every_comparison() for run in comparison.runs]
    for run in every_run:
        if run.status != "completed":
            yield f"fresh training {run.trial_number} {run.status}: {run.cause}"
