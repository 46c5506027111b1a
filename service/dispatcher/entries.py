"""Entries: rows and events that one step of a trial leaves, inside a fenced transaction."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from service.db import reports, trials
from service.db.events import append_event
from service.db.states import AttemptOutcome, TrialStatus
from service.db.tables import Report, Trial
from service.dispatcher.losses import Loss
from service.dispatcher.outcomes import LaneOutcome
from service.dispatcher.state import StudyState, TrialState


@dataclass(frozen=True)
class Entry:
    """Where to write, about which study, as whom, and when."""

    session: Session
    study: StudyState
    epoch: int
    now: datetime

    def event(self, kind: str, data: dict[str, Any]) -> None:
        """Append an event."""
        append_event(self.session, self.study.study_id, kind, data, now=self.now)

    def trial_event(self, kind: str, trial: TrialState, **data: Any) -> None:
        """Append an event about a trial."""
        group = trial.group
        named = {"trial_number": trial.trial_number, "branch": group.branch, "role": group.role}
        self.event(kind, {**named, **data})


def add_trial(entry: Entry, trial: TrialState, ask_index: int | None) -> None:
    """Add the row of a new trial, queued."""
    entry.session.add(
        Trial(
            trial_id=trial.trial_id,
            study_id=entry.study.study_id,
            trial_number=trial.trial_number,
            role=trial.group.role,
            branch=trial.group.branch,
            ask_index=ask_index,
            source_trial_number=trial.source_trial_number,
            params=trial.params,
            seed=trial.seed,
            status=TrialStatus.QUEUED,
            created_at=entry.now,
        )
    )


def begin(entry: Entry, trial: TrialState, slot: str) -> None:
    """Begin the next attempt at a queued trial."""
    number = trial.attempt + 1
    trials.begin_attempt(
        entry.session, trial.trial_id, number, epoch=entry.epoch, slot=slot, now=entry.now
    )
    entry.trial_event(
        "trial_started", trial, attempt=number, slot=slot, meta_iteration=trial.meta_iteration
    )


def write_outcome(entry: Entry, one: LaneOutcome, checkpoint: str | None, seconds: float) -> None:
    """Write how far a lane came, its scores if it was judged, and its end if it ended."""
    trial, lane = one.trial, one.lane
    trials.save_progress(
        entry.session,
        trial.trial_id,
        meta_iteration=lane.meta_iteration,
        checkpoint=checkpoint,
        digest=lane.digest,
        device_seconds=seconds,
    )
    if one.score is not None:
        _write_score(entry, one, seconds)
    if one.status != TrialStatus.RUNNING:
        end(entry, trial, one.status, cause=lane.cause, diverged_at=lane.diverged_at)
        close_attempt(entry, trial, AttemptOutcome.FINISHED)


def write_loss(entry: Entry, trial: TrialState, loss: Loss) -> None:
    """Write what a loss means for a lane."""
    trials.save_losses(
        entry.session,
        trial.trial_id,
        attempts=loss.attempts,
        solo=loss.solo,
        from_start=loss.from_start,
    )
    close_attempt(entry, trial, loss.outcome, loss.cause)
    if loss.failed:
        end(entry, trial, TrialStatus.FAILED, cause=loss.cause)
    else:
        trials.requeue_trial(entry.session, trial.trial_id)


def close_attempt(
    entry: Entry, trial: TrialState, outcome: AttemptOutcome, cause: str | None = None
) -> None:
    """Close a trial's present attempt."""
    trials.end_attempt(
        entry.session, trial.trial_id, trial.attempt, outcome, cause=cause, now=entry.now
    )


def end(
    entry: Entry,
    trial: TrialState,
    status: TrialStatus,
    *,
    cause: str | None = None,
    diverged_at: int | None = None,
) -> None:
    """Give a trial its terminal status."""
    trials.end_trial(
        entry.session,
        trial.trial_id,
        status,
        cause=cause,
        diverged_at=diverged_at,
        now=entry.now,
    )
    entry.trial_event("trial_finished", trial, status=str(status), cause=cause)


def _write_score(entry: Entry, one: LaneOutcome, seconds: float) -> None:
    summary = one.summary
    assert summary is not None and one.score is not None
    trials.save_score(entry.session, one.trial.trial_id, one.score, summary.stderr)
    reports.add_report(entry.session, _report(entry, one, seconds))
    entry.trial_event(
        "trial_reported",
        one.trial,
        meta_iteration=one.lane.meta_iteration,
        score=one.score,
        low=summary.low,
        high=summary.high,
    )


def _report(entry: Entry, one: LaneOutcome, seconds: float) -> Report:
    summary, lane = one.summary, one.lane
    assert summary is not None
    return Report(
        trial_id=one.trial.trial_id,
        meta_iteration=lane.meta_iteration,
        score=one.score,
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
        attempt=one.trial.attempt,
        epoch=entry.epoch,
        created_at=entry.now,
    )
