"""What must hold of the rows of one study.  Pure functions over `StudyRows`.

complete      a study that has ended has exactly its trials, and all of them have ended
once          one report for each (trial, rung), one end for each trial and study, as events
and the log of asks and tells say too
attempts      numbered without a gap, at most one under way, at most so many that count
derived       what a row repeats of others is what those say
"""

from collections import Counter, defaultdict
from collections.abc import Iterator

from service.db.roles import ROLES
from service.db.states import AttemptOutcome, StudyStatus, TrialStatus
from service.db.tables import Attempt, Trial
from service.dispatcher.retries import MOST_ATTEMPTS, MOST_LOSSES
from service.dispatcher.state import StudyState
from service.events import EVENTS_CLEARED, SEGMENTS_CLEARED
from service.invariants.rows import StudyRows, is_open, open_among
from service.invariants.violation import Violation

ENDS = {
    StudyStatus.COMPLETED: "study_completed",
    StudyStatus.FAILED: "study_failed",
    StudyStatus.CANCELLED: "study_cancelled",
}
"""The event that says how a study ended."""

TOLD = (TrialStatus.COMPLETED, TrialStatus.DIVERGED, TrialStatus.FAILED)
"""Ends that a sampler is told of in any case."""


def incomplete(rows: StudyRows, rebuilt: StudyState | None) -> Iterator[Violation]:
    """A study that has ended: does it have exactly its trials?

    Args:
        rebuilt: Its state as a dispatcher would load it, if that can be.
    """
    if not rows.ended:
        return
    for trial in open_among(rows.trials):
        yield Violation("complete", rows.where(trial), f"{trial.status}, and its study has ended")
    if rows.study.status != StudyStatus.COMPLETED:
        return
    if rows.study.result is None:
        yield Violation("complete", f"study {rows.study_id}", "completed without a result")
    if rebuilt is None:
        return
    if not rebuilt.search_ended():
        asked = len(rows.points())
        why = f"completed with {asked} of {rebuilt.spec.budget.trials} trials"
        yield Violation("complete", f"study {rows.study_id}", why)
    last = {name: plan.horizon for name, plan in rebuilt.plan.roles.items()}
    for trial in rows.trials:
        if trial.status == TrialStatus.COMPLETED:
            yield from _not_judged(rows, trial, last[trial.role])


def _not_judged(rows: StudyRows, trial: Trial, horizon: int) -> Iterator[Violation]:
    judged = [report.meta_iteration for report in rows.reports[trial.trial_id]]
    if horizon not in judged:
        why = f"completed without a report at meta-iteration {horizon}"
        yield Violation("complete", rows.where(trial), why)


def doubled(rows: StudyRows) -> Iterator[Violation]:
    """Is each result accepted once, and has each trial and study one end?"""
    if not rows.is_cleared(EVENTS_CLEARED):
        yield from _events_differ(rows)
    ends = Counter(event.kind for event in rows.events if event.kind in ENDS.values())
    kind = ENDS.get(StudyStatus(rows.study.status))
    wanted = Counter() if kind is None else Counter([kind])
    if ends != wanted:
        why = f"{rows.study.status}, and its events of an end are {dict(ends)}"
        yield Violation("once", f"study {rows.study_id}", why)
    yield from _log_differs(rows)


def _events_differ(rows: StudyRows) -> Iterator[Violation]:
    told = Counter(
        (event.data["trial_number"], event.data["meta_iteration"])
        for event in rows.events
        if event.kind == "trial_reported"
    )
    rungs: dict[int, set[int]] = defaultdict(set)
    for number, rung in told:
        rungs[number].add(rung)
    ended = Counter(e.data["trial_number"] for e in rows.events if e.kind == "trial_finished")
    for trial in rows.trials:
        reported = {report.meta_iteration for report in rows.reports[trial.trial_id]}
        for rung in sorted(reported | rungs[trial.trial_number]):
            times = told[trial.trial_number, rung]
            if times != 1 or rung not in reported:
                kept = "a report" if rung in reported else "no report"
                why = f"{kept} at meta-iteration {rung}, and {times} events of one"
                yield Violation("once", rows.where(trial), why)
        times, wanted = ended[trial.trial_number], 0 if is_open(trial) else 1
        if times != wanted:
            yield Violation("once", rows.where(trial), f"{trial.status}, and {times} events of it")


def _log_differs(rows: StudyRows) -> Iterator[Violation]:
    for branch, log in rows.asks.items():
        asked = Counter(entry.trial_number for entry in log if entry.kind == "ask")
        points = Counter(t.trial_number for t in rows.points() if t.branch == branch)
        for number in sorted((asked - points) | (points - asked)):
            why = f"asked for {asked[number]} times, and {points[number]} trials of that number"
            yield Violation("once", f"study {rows.study_id}, trial {number}", why)
    tells: dict[tuple[str, int], list[str]] = {}
    for branch, log in rows.asks.items():
        for entry in log:
            if entry.kind == "tell" and entry.outcome != "paused":
                tells.setdefault((branch, entry.trial_number), []).append(str(entry.outcome))
    for trial in rows.points():
        ends = tells.get((trial.branch, trial.trial_number), [])
        must = trial.status in TOLD
        if len(ends) > 1 or (must and not ends) or any(end != trial.status for end in ends):
            why = f"{trial.status}, and its sampler was told {ends or 'nothing'}"
            yield Violation("once", rows.where(trial), why)


def unbounded(rows: StudyRows) -> Iterator[Violation]:
    """Are attempts numbered, one at a time, and no more than may be?"""
    for trial in rows.trials:
        attempts = rows.attempts[trial.trial_id]
        wrong = (*_attempts_wrong(trial, attempts), *_reports_wrong(rows, trial, attempts))
        for why in wrong:
            yield Violation("attempts", rows.where(trial), why)


def _attempts_wrong(trial: Trial, attempts: list[Attempt]) -> Iterator[str]:
    numbers = [attempt.number for attempt in attempts]
    if numbers != list(range(1, len(attempts) + 1)):
        yield f"its attempts are numbered {numbers}"
    running = [a for a in attempts if a.outcome == AttemptOutcome.RUNNING]
    if len(running) != (trial.status == TrialStatus.RUNNING):
        yield f"{trial.status}, and {len(running)} attempts under way"
    if running and running[-1].epoch != trial.epoch:
        yield f"running in epoch {trial.epoch}, its attempt in {running[-1].epoch}"
    if trial.attempts > MOST_ATTEMPTS:
        yield f"{trial.attempts} attempts count against it, and {MOST_ATTEMPTS} may"
    losses = sum(a.outcome in (AttemptOutcome.LOST, AttemptOutcome.ERROR) for a in attempts)
    if losses > MOST_LOSSES:
        yield f"{losses} attempts were lost, and {MOST_LOSSES} may be"
    finished = [a.number for a in attempts if a.outcome == AttemptOutcome.FINISHED]
    if len(finished) > 1 or (finished and finished[0] != len(attempts)):
        yield f"attempts {finished} of {len(attempts)} finished it"
    if trial.status == TrialStatus.FAILED and not trial.cause:
        yield "failed without a cause"


def _reports_wrong(rows: StudyRows, trial: Trial, attempts: list[Attempt]) -> Iterator[str]:
    epochs = {attempt.number: attempt.epoch for attempt in attempts}
    for report in rows.reports[trial.trial_id]:
        if epochs.get(report.attempt) != report.epoch:
            yield f"reported by attempt {report.attempt} of epoch {report.epoch}: there is none"
    if trial.started_at is not None and not attempts:
        yield "was begun, and has no attempt"


def underived(rows: StudyRows) -> Iterator[Violation]:
    """Is what a row repeats of others what those say?"""
    for trial in rows.trials:
        reports = rows.reports[trial.trial_id]
        last = reports[-1] if reports else None
        has = trial.rung, trial.score, trial.score_stderr
        says = (last.meta_iteration, last.score, last.stderr) if last else (None, None, None)
        if has != says:
            yield Violation("derived", rows.where(trial), f"has {has}, its last report {says}")
    looks = sum(len(rows.reports[t.trial_id]) for t in rows.trials if ROLES[t.role].counts_look)
    if rows.study.sealed_looks != looks:
        why = f"counts {rows.study.sealed_looks} looks at sealed tasks, and {looks} reports did"
        yield Violation("derived", f"study {rows.study_id}", why)
    if not rows.is_cleared(SEGMENTS_CLEARED):
        yield from _spending_differs(rows)


def _spending_differs(rows: StudyRows) -> Iterator[Violation]:
    paid = [one for one in rows.segments if ROLES[one.role].paid_by_search]
    most = sum(one.lanes * one.meta_iterations for one in paid)
    least = sum(one.meta_iterations for one in paid)  # one that ended early: some lanes did less
    spent = rows.spending.meta_iterations if rows.spending else 0
    if not least <= spent <= most:
        why = f"has spent {spent} meta-iterations, and its segments {least} to {most}"
        yield Violation("derived", f"study {rows.study_id}", why)
