"""Pages of the command line: studies, one study, its trials."""

from collections.abc import Iterator, Sequence
from datetime import datetime

from service.cli import console
from service.cli.pages import words
from service.cli.pages.specs import spec_page
from service.cli.pages.standing import finished_trials, verdict_line
from service.cli.pages.verdict import verdict_page
from service.wire.views.document import StudyDocument
from service.wire.views.result import StudyResult
from service.wire.views.studies import StudyView, TrialView
from service.wire.words import numbers
from service.wire.words.branches import branch_seconds
from service.wire.words.gates import not_passed
from service.wire.words.plugins import plugins

MOST_TRIALS = 20
FEWEST_DIGITS = 8


def studies_page(studies: list[StudyView]) -> None:
    """Print a line for each study."""
    ids = short_ids([study.study_id for study in studies])
    rows = [
        (ids[s.study_id], s.name, _status(s), words.counts(s.trials), words.instant(s.created_at))
        for s in studies
    ]
    console.table("", ("study_id", "name", "status", "trials", "created"), rows)


def short_ids(ids: Sequence[str]) -> dict[str, str]:
    """By id its first digits, as many as tell these ids apart, and 8 at least."""
    digits = FEWEST_DIGITS
    while len({study_id[:digits] for study_id in ids}) < len(set(ids)):
        digits += 1
    return {study_id: study_id[:digits] for study_id in ids}


def study_page(document: StudyDocument, *, now: datetime, full: bool = False) -> None:
    """Print a study: how it stands, its verdict, its trials, its spec.

    Args:
        document: The study, with its trials, and its result if there is one.
        now: Until when a study that goes on has taken its time.
        full: Whether to print every trial, and the spec with every default.
    """
    study, result, trials = document.study, document.result, document.trials or []
    for line in _head(study, result, now):
        console.data(line)
    if result is not None:
        verdict_page(study, result)
    trials_page(study, trials if full else trials[-MOST_TRIALS:])
    if not full and len(trials) > MOST_TRIALS:
        left_out = len(trials) - MOST_TRIALS
        console.data(f"({left_out:,} trials before these: --full shows all, --json F has them)")
    spec_page(study.spec, full=full)


def _status(study: StudyView) -> str:
    if study.waits is None or not study.waits.before:
        return study.status
    return f"{study.status} behind {study.waits.before}"


def trials_page(study: StudyView, trials: Sequence[TrialView]) -> None:
    """Print a line for each trial."""
    header = (
        "trial",
        "branch",
        "role",
        "status",
        "score",
        "meta-iteration",
        "seconds",
        *(["costs"] if study.spec.beyond_score() else []),
        "parameters",
    )
    console.table("Trials", header, [_trial_row(study, trial) for trial in trials])


def _head(study: StudyView, result: StudyResult | None, now: datetime) -> Iterator[str]:
    yield f"name: {study.name}"
    yield f"study_id: {study.study_id}"
    yield f"status: {study.status}"
    if study.waits is not None:
        yield f"it {study.waits.sentence}"
    if result is not None and result.finalists:
        yield from _verdict(study, result)
    else:
        yield from _best_so_far(study)
    yield f"progress: {_progress(study)}"
    yield f"time: {_time(study, now)}"
    yield from branch_seconds(study)
    if study.seconds_left is not None:
        yield f"left: about {numbers.seconds(study.seconds_left)}"
    yield from plugins(study.plugins)
    if study.busy_share is not None:
        yield f"devices busy: {numbers.share(study.busy_share)}"
    if any(study.replica_trials.values()):
        yield f"trained again: {words.counts(study.replica_trials)}"
    for warning in study.warnings:
        yield f"warning: {warning}"
    if study.error:
        yield f"error: {study.error}"


def _verdict(study: StudyView, result: StudyResult) -> Iterator[str]:
    best = result.finalists[0]
    chosen = numbers.params(numbers.searched_params(study.spec, best.branch, best.params))
    of = f"trial {best.trial_number} ({best.branch}): {chosen}"
    if best.sealed is None:
        yield f"verdict: no fresh training reached its end, {of}"
    else:
        sealed = best.sealed.score, best.sealed.low, best.sealed.high
        score = numbers.score_with_interval(*sealed, result.metric)
        yield f"verdict: {score} on sealed tasks, {of}"
    if result.gates is not None:
        yield f"gates: {'passed' if result.gates.passed else not_passed(result.gates)}"


def _best_so_far(study: StudyView) -> Iterator[str]:
    for name, branch in study.branches.items():
        best = branch.best
        if best is None:
            continue
        chosen = numbers.params(numbers.searched_params(study.spec, name, best.params))
        score = numbers.score(best.score, study.metric)
        where = "" if best.status == "completed" else f" at rung {best.rung:,}"
        yield f"best so far: {score}{where}, trial {best.trial_number} ({name}): {chosen}"


def _progress(study: StudyView) -> str:
    done, total = finished_trials(study)
    afresh = verdict_line(study)
    counts = numbers.counts(study.trials)
    by_status = f"{done} of {total} trials{f' ({counts})' if counts else ''}"
    return f"{by_status}; {afresh}" if afresh else by_status


def _time(study: StudyView, now: datetime) -> str:
    submitted = f"submitted {words.instant(study.created_at)}"
    begun, ended = study.started_at, study.finished_at
    if begun is None:
        if ended is not None:
            return f"{submitted}, ended {words.instant(ended)} without having begun"
        return f"{submitted}, not begun for {_seconds(study.created_at, now)}"
    if ended is None:
        return f"{submitted}, begun {_seconds(begun, now)} ago"
    return f"{submitted}, took {_seconds(begun, ended)}, ended {words.instant(ended)}"


def _seconds(begin: datetime, end: datetime) -> str:
    return numbers.seconds(max(0.0, (end - begin).total_seconds()))


def _trial_row(study: StudyView, trial: TrialView) -> tuple[str, ...]:
    shown = numbers.params(numbers.searched_params(study.spec, trial.branch, trial.params))
    if trial.cause:
        shown = f"{shown}  ({trial.cause})"
    return (
        str(trial.trial_number),
        trial.branch,
        trial.role,
        trial.status,
        numbers.score(trial.score, study.metric),
        str(trial.meta_iteration),
        f"{trial.device_seconds:.1f}",
        *([_costs(study, trial)] if study.spec.beyond_score() else []),
        shown,
    )


def _costs(study: StudyView, trial: TrialView) -> str:
    goals, metrics = study.spec.goals(), trial.metrics or {}
    named = [*goals.objectives[1:], *goals.bounds, study.spec.pruning.metric]
    costs = numbers.params(
        {name: metrics[name] for name in dict.fromkeys(named) if name in metrics}
    )
    broken = goals.broken(metrics)
    return f"{costs} (exceeds {', '.join(broken)})" if broken else costs or "-"
