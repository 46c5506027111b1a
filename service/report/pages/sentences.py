"""The report in sentences: the verdict first, or where the study stands without one."""

from typing import NamedTuple

from service.wire.views.report import StudyReport
from service.wire.views.studies import BestTrial, StudyView
from service.wire.words import numbers
from service.wire.words.judgement import verdict_sentences


class Headline(NamedTuple):
    """The first thing on a page: a score if there is one, what it is of, and sentences."""

    score: str | None
    label: str
    sentences: list[str]


def headline(report: StudyReport) -> Headline:
    """The verdict, or how far the study came."""
    study, result = report.study, report.verdict
    if result is None or not result.finalists:
        return Headline(None, "no verdict", _without_verdict(study) + warnings(study))
    sentences = verdict_sentences(study.spec, result) + warnings(study)
    sealed = result.finalists[0].sealed
    if sealed is None:
        return Headline(None, "no verdict", sentences)
    bounds = numbers.interval(sealed.low, sealed.high, result.metric)
    score = numbers.score(sealed.score, result.metric)
    return Headline(score, f"sealed {result.metric} {bounds}", sentences)


def warnings(study: StudyView) -> list[str]:
    """What about the study may not have been meant so."""
    return [f"Warning: {warning}." for warning in study.warnings]


def _without_verdict(study: StudyView) -> list[str]:
    every = [*study.trials.items(), *study.replica_trials.items()]
    counted = ("completed", "pruned", "diverged", "failed")
    ended = sum(count for status, count in every if status in counted)
    progress = f"{ended} of {study.spec.budget.trials} trials have ended."
    match study.status:
        case "failed":
            opening = f"The study failed: {study.error or 'no cause was kept'}."
        case "cancelled":
            opening = "The study was cancelled before a verdict."
        case status:
            opening = f"The study is {status}, so there is no verdict yet."
    return [opening, progress, *_best_so_far(study)]


def _best_so_far(study: StudyView) -> list[str]:
    return [
        f"Best of {name} so far: {_leader(study, name, branch.best)}; the best of many noisy "
        "scores, so it flatters."
        for name, branch in study.branches.items()
        if branch.best is not None
    ]


def _leader(study: StudyView, branch: str, best: BestTrial) -> str:
    params = numbers.params(numbers.searched_params(study.spec, branch, best.params))
    score = f"{study.metric} {numbers.score(best.score, study.metric)}"
    where = f"at rung {best.rung:,}, where its trials are compared so far"
    return (
        f"trial {best.trial_number} with {params or 'nothing searched'}, {score} "
        f"{'at its end' if best.status == 'completed' else where}"
    )
