"""Entries: rows and events that one step of a trial leaves, inside a fenced transaction."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from service.db import spending, study_progress
from service.db.bulk.writes import Row, Writes
from service.db.events import event_row
from service.db.plugins import rows as plugins
from service.db.reports import save_trivial_scores
from service.db.roles import ROLES
from service.db.states import AttemptOutcome, TrialStatus
from service.db.tables import Attempt, Event, Report, Segment, Trial
from service.dispatcher.pruning.decisions import LaneOutcome
from service.dispatcher.retries import RetryDecision
from service.dispatcher.state import SlotState, Spent, StudyState, TrialState
from service.dispatcher.store.columns import row_of, sums_of
from service.dispatcher.store.generations import NO_PREVIOUS, given_up, superseded
from service.executors.base import SegmentReport
from service.wire.words.lanes import lane_by_lane


@dataclass(frozen=True)
class Entry:
    """Where to write, about which study, as whom, and when.

    What is gathered in `writes` is written at its end (`Ledger.entry`).
    """

    session: Session
    study: StudyState
    epoch: int
    now: datetime
    writes: Writes = field(default_factory=Writes)

    def event(self, kind: str, data: dict[str, Any]) -> None:
        """Append an event."""
        self.writes.add(Event, event_row(self.study.study_id, kind, data, now=self.now))

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
    entry.writes.add(Trial, row)


def begin(entry: Entry, trial: TrialState, slot: str) -> None:
    """Begin the next attempt at a queued trial."""
    number = trial.attempt + 1
    begun = {"started_at": entry.now} if number == 1 else {}
    entry.writes.change(trial.trial_id, status=TrialStatus.RUNNING, epoch=entry.epoch, **begun)
    entry.writes.add(
        Attempt,
        {
            "trial_id": trial.trial_id,
            "number": number,
            "epoch": entry.epoch,
            "slot": slot,
            "from_meta_iteration": trial.meta_iteration,
            "outcome": AttemptOutcome.RUNNING,
            "started_at": entry.now,
        },
    )
    entry.trial_event(
        "trial_started", trial, attempt=number, slot=slot, meta_iteration=trial.meta_iteration
    )


def requeue(entry: Entry, trial: TrialState) -> None:
    """Put a running trial back into the queue; it will resume from its checkpoint."""
    entry.writes.change(trial.trial_id, status=TrialStatus.QUEUED)


def write_outcome(entry: Entry, outcome: LaneOutcome, seconds: float) -> None:
    """Write how far a lane came, its scores if it was judged, and its end if it ended."""
    trial, lane = outcome.trial, outcome.lane
    entry.writes.change(
        trial.trial_id,
        more_seconds=seconds,
        meta_iteration=lane.meta_iteration,
        checkpoint=lane.checkpoint,
        checkpoint_sha256=lane.digest,
        **({} if lane.checkpoint is None else {"solo": False}),
        **superseded(trial, lane.checkpoint),
    )
    if outcome.loss is not None:
        _write_score(entry, outcome, seconds)
    if outcome.status == TrialStatus.QUEUED:
        requeue(entry, trial)
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


def keeps_previous(trial: TrialState) -> bool:
    """Whether a trial that keeps its file may resume from it, and so keeps the one before."""
    return trial.role.leaves == "checkpoint"


def add_segment(entry: Entry, slot: SlotState, report: SegmentReport, slot_seconds: float) -> None:
    """Add the row of a segment.

    Its wait is what the worker waited while the study ran under this dispatcher: that the worker
    was idle before is nobody's loss.  It counts whatever the reason was, also that the study had
    no trial for the slot (a sampler that must learn first, a search that ends on another slot).
    """
    assert slot.group is not None and slot.ordered_at is not None
    entry.writes.add(
        Segment,
        {
            "study_id": entry.study.study_id,
            "epoch": entry.epoch,
            "slot": slot.slot.name,
            "role": slot.group.role,
            "branch": slot.group.branch,
            "signature": slot.group.signature,
            "program": report.program,
            "device": report.device,
            "lanes": len(report.lanes),
            "meta_iterations": slot.iterations,
            "started_at": slot.ordered_at,
            "ended_at": entry.now,
            "seconds": report.seconds,
            "train_seconds": report.train_seconds,
            "evaluate_seconds": report.evaluate_seconds,
            "wait_seconds": min(report.wait_seconds, slot.longest_wait_seconds),
            "slot_seconds": slot_seconds,
            "sample_share": report.sample_share,
            "peak_memory_bytes": report.peak_memory_bytes,
            "lane_by_lane": report.lane_by_lane or "",
            "scored": sum(len(lane.scores or ()) for lane in report.lanes),
        },
    )


def write_slow(entry: Entry, slot: SlotState, report: SegmentReport) -> None:
    """Say, once of a branch of the search, that its model could not be mapped."""
    assert slot.group is not None
    branch = entry.study.branches.get(slot.group.branch)
    if report.lane_by_lane is None or branch is None or branch.slow_told:
        return
    model = entry.study.spec.model_of(branch.branch).model_dump(mode="json")
    warn(entry, lane_by_lane(model, report.lane_by_lane))
    named = {("modules", model.get("ref")), ("models", model["kind"])}
    for need in entry.study.needs:
        if (need.family, need.name) in named:
            plugins.tell_slow(entry.session, need, report.lane_by_lane)


def write_trivial(entry: Entry, slot: SlotState, report: SegmentReport) -> None:
    """Write what trivial predictors scored on the tasks of a segment, or why there is nothing."""
    assert slot.group is not None
    if report.trivial is not None:
        bank = ROLES[slot.group.role].bank
        save_trivial_scores(entry.session, entry.study.study_id, bank, report.trivial)
    if report.trivial_failure is not None:
        why = f"trivial predictors could not be scored ({report.trivial_failure})"
        warn(entry, f"{why}: nothing says whether meta-learning is better than they are")


def write_spent(entry: Entry, spent: Spent) -> None:
    """Write what the study's search has spent; its trials say the rest."""
    spending.save_spending(entry.session, entry.study.study_id, sums_of(spent))


def write_loss(entry: Entry, trial: TrialState, loss: RetryDecision) -> None:
    """Write what a loss means for a lane; `gives_up` says that its checkpoint is of no use."""
    entry.writes.change(trial.trial_id, attempts=loss.attempts, solo=loss.solo)
    if loss.gives_up:
        entry.writes.change(trial.trial_id, **given_up(trial))
    if loss.failed:
        end(entry, trial, TrialStatus.FAILED, cause=loss.cause)
    else:
        requeue(entry, trial)
    close_attempt(entry, trial, loss.outcome, loss.cause)


def close_attempt(
    entry: Entry, trial: TrialState, outcome: AttemptOutcome, cause: str | None
) -> None:
    """Close the present attempt at a trial: how it ended, and why."""
    entry.writes.close_attempt(trial.trial_id, trial.attempt, outcome, cause, entry.now)


def end(
    entry: Entry,
    trial: TrialState,
    status: TrialStatus,
    *,
    cause: str | None = None,
    diverged_at: int | None = None,
    keep_file: bool = False,
) -> None:
    """Give a trial its terminal status; unless told to keep it, its checkpoint is not needed."""
    files: dict[str, Any] = {} if keep_file else {"checkpoint": None, "checkpoint_sha256": None}
    if not (keep_file and keeps_previous(trial)):
        files |= NO_PREVIOUS
    entry.writes.change(
        trial.trial_id,
        status=status,
        cause=cause,
        diverged_at=diverged_at,
        finished_at=entry.now,
        **files,
    )
    entry.trial_event("trial_finished", trial, status=str(status), cause=cause)


def _write_score(entry: Entry, outcome: LaneOutcome, seconds: float) -> None:
    summary, score = outcome.summary, _score(entry, outcome)
    assert summary is not None
    entry.writes.change(
        outcome.trial.trial_id,
        rung=outcome.lane.meta_iteration,
        score=score,
        score_stderr=summary.stderr,
        metrics=outcome.metrics,
    )
    if outcome.trial.role.counts_look:
        study_progress.count_look(entry.session, entry.study.study_id)
    entry.writes.add(Report, _report(entry, outcome, score, seconds))
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
    return entry.study.plan.goals.score(outcome.loss)


def _report(entry: Entry, outcome: LaneOutcome, score: float, seconds: float) -> Row:
    summary, lane = outcome.summary, outcome.lane
    assert summary is not None
    return {
        "trial_id": outcome.trial.trial_id,
        "meta_iteration": lane.meta_iteration,
        "score": score,
        "stderr": summary.stderr,
        "low": summary.low,
        "high": summary.high,
        "median": summary.median,
        "trimmed_mean": summary.trimmed_mean,
        "standard_deviation": summary.standard_deviation,
        "diverged_share": lane.diverged_share,
        "scores": lane.scores,
        "curve": lane.curve,
        "transductive": entry.study.spec.evaluation.transductive,
        "device_seconds": seconds,
        "attempt": outcome.trial.attempt,
        "epoch": entry.epoch,
        "created_at": entry.now,
        "metrics": outcome.metrics,
        "kept_at": lane.kept_at,
        "latest_score": lane.latest_score,
    }
