"""Entries: rows and events that one step of a trial leaves, inside a fenced transaction."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from service.db import reports, segments, spending, study_progress, trials
from service.db.events import append_event
from service.db.states import AttemptOutcome, TrialStatus
from service.db.tables import Report, Segment, Trial
from service.dispatcher.pruning.decisions import LaneOutcome
from service.dispatcher.retries import RetryDecision
from service.dispatcher.state import SlotState, Spent, StudyState, TrialState
from service.dispatcher.store.columns import row_of, sums_of
from service.executors.base import SegmentReport


@dataclass(frozen=True)
class Entry:
    """Where to write, about which study, as whom, and when.

    `held` keeps rows that the session would forget and read again, one by one.
    """

    session: Session
    study: StudyState
    epoch: int
    now: datetime
    held: list[Trial] = field(default_factory=list)

    def hold(self, lanes: Iterable[TrialState]) -> None:
        """Read the rows of these trials, if they are not held yet."""
        held = {row.trial_id for row in self.held}
        missing = [trial.trial_id for trial in lanes if trial.trial_id not in held]
        if missing:
            self.held.extend(trials.read_trials(self.session, missing))

    def event(self, kind: str, data: dict[str, Any]) -> None:
        """Append an event."""
        append_event(self.session, self.study.study_id, kind, data, now=self.now)

    def trial_event(self, kind: str, trial: TrialState, **data: Any) -> None:
        """Append an event about a trial."""
        group = trial.group
        named = {"trial_number": trial.trial_number, "branch": group.branch, "role": group.role}
        self.event(kind, {**named, **data})


def warn(entry: Entry, warning: str) -> None:
    """Say of the study that something failed which it goes on without."""
    if study_progress.add_warning(entry.session, entry.study.study_id, warning):
        entry.event("study_warned", {"warning": warning})


def add_trial(entry: Entry, trial: TrialState, ask_index: int | None) -> None:
    """Add the row of a new trial, queued."""
    row = row_of(trial, study_id=entry.study.study_id, ask_index=ask_index, created_at=entry.now)
    entry.session.add(row)
    entry.held.append(row)


def begin(entry: Entry, trial: TrialState, slot: str) -> None:
    """Begin the next attempt at a queued trial."""
    number = trial.attempt + 1
    trials.begin_attempt(
        entry.session, trial.trial_id, number, epoch=entry.epoch, slot=slot, now=entry.now
    )
    entry.trial_event(
        "trial_started", trial, attempt=number, slot=slot, meta_iteration=trial.meta_iteration
    )


def write_outcome(
    entry: Entry, outcome: LaneOutcome, checkpoint: str | None, seconds: float
) -> None:
    """Write how far a lane came, its scores if it was judged, and its end if it ended."""
    trial, lane = outcome.trial, outcome.lane
    trials.save_progress(
        entry.session,
        trial.trial_id,
        meta_iteration=lane.meta_iteration,
        checkpoint=checkpoint,
        digest=lane.digest,
        device_seconds=seconds,
    )
    if outcome.loss is not None:
        _write_score(entry, outcome, seconds)
    if outcome.status == TrialStatus.QUEUED:
        trials.requeue_trial(entry.session, trial.trial_id)
    elif outcome.status != TrialStatus.RUNNING:
        end(
            entry,
            trial,
            outcome.status,
            cause=lane.cause,
            diverged_at=lane.diverged_at,
            keep_file=keeps_file(trial, outcome.status),
        )


def keeps_file(trial: TrialState, status: TrialStatus) -> bool:
    """Whether the file that a trial left at its end is still needed.

    Of a finalist it is its model, of what gates compare a checkpoint, to look at more tasks.
    """
    return status == TrialStatus.COMPLETED and trial.role.leaves != "nothing"


def add_segment(entry: Entry, slot: SlotState, report: SegmentReport, slot_seconds: float) -> None:
    """Add the row of a segment.

    Its wait is what the worker waited while the study ran under this dispatcher: that the worker
    was idle before is nobody's loss.  It counts whatever the reason was, also that the study had
    no trial for the slot (a sampler that must learn first, a search that ends on another slot).
    """
    assert slot.group is not None and slot.ordered_at is not None
    segments.add_segment(
        entry.session,
        Segment(
            study_id=entry.study.study_id,
            epoch=entry.epoch,
            slot=slot.slot.name,
            role=slot.group.role,
            branch=slot.group.branch,
            signature=slot.group.signature,
            program=report.program,
            device=report.device,
            lanes=len(report.lanes),
            meta_iterations=slot.iterations,
            started_at=slot.ordered_at,
            ended_at=entry.now,
            seconds=report.seconds,
            train_seconds=report.train_seconds,
            evaluate_seconds=report.evaluate_seconds,
            wait_seconds=min(report.wait_seconds, slot.longest_wait_seconds),
            slot_seconds=slot_seconds,
            sample_share=report.sample_share,
            peak_memory_bytes=report.peak_memory_bytes,
        ),
    )


def write_spent(entry: Entry, spent: Spent) -> None:
    """Write what the study's search has spent; its trials say the rest."""
    spending.save_spending(entry.session, entry.study.study_id, sums_of(spent))


def write_loss(entry: Entry, trial: TrialState, loss: RetryDecision) -> None:
    """Write what a loss means for a lane."""
    trials.save_losses(
        entry.session,
        trial.trial_id,
        attempts=loss.attempts,
        solo=loss.solo,
        from_start=loss.from_start,
    )
    if loss.failed:
        end(entry, trial, TrialStatus.FAILED, cause=loss.cause)
    else:
        trials.requeue_trial(entry.session, trial.trial_id)


def close_attempts(
    entry: Entry, ended: Iterable[tuple[TrialState, AttemptOutcome, str | None]]
) -> None:
    """Close the present attempts of trials: how each ended, and why."""
    ends = [
        trials.AttemptEnd(trial.trial_id, trial.attempt, outcome, cause)
        for trial, outcome, cause in ended
    ]
    trials.end_attempts(entry.session, ends, now=entry.now)


def end(
    entry: Entry,
    trial: TrialState,
    status: TrialStatus,
    *,
    cause: str | None = None,
    diverged_at: int | None = None,
    keep_file: bool = False,
) -> None:
    """Give a trial its terminal status."""
    trials.end_trial(
        entry.session,
        trial.trial_id,
        status,
        cause=cause,
        diverged_at=diverged_at,
        keep_file=keep_file,
        now=entry.now,
    )
    entry.trial_event("trial_finished", trial, status=str(status), cause=cause)


def _write_score(entry: Entry, outcome: LaneOutcome, seconds: float) -> None:
    summary, score = outcome.summary, _score(entry, outcome)
    assert summary is not None
    trials.save_score(entry.session, outcome.trial.trial_id, score, summary.stderr, outcome.metrics)
    if outcome.trial.role.counts_look:
        study_progress.count_look(entry.session, entry.study.study_id)
    reports.add_report(entry.session, _report(entry, outcome, seconds))
    entry.trial_event(
        "trial_reported",
        outcome.trial,
        meta_iteration=outcome.lane.meta_iteration,
        score=score,
        low=summary.low,
        high=summary.high,
    )


def _score(entry: Entry, outcome: LaneOutcome) -> float:
    assert outcome.loss is not None
    return entry.study.spec.goals().score(outcome.loss)


def _report(entry: Entry, outcome: LaneOutcome, seconds: float) -> Report:
    summary, lane = outcome.summary, outcome.lane
    assert summary is not None
    return Report(
        trial_id=outcome.trial.trial_id,
        meta_iteration=lane.meta_iteration,
        score=_score(entry, outcome),
        stderr=summary.stderr,
        low=summary.low,
        high=summary.high,
        median=summary.median,
        trimmed_mean=summary.trimmed_mean,
        standard_deviation=summary.standard_deviation,
        diverged_share=lane.diverged_share,
        scores=lane.scores,
        curve=lane.curve,
        transductive=entry.study.spec.evaluation.transductive,
        device_seconds=seconds,
        attempt=outcome.trial.attempt,
        epoch=entry.epoch,
        created_at=entry.now,
        metrics=outcome.metrics,
    )
