"""What is in memory once a transaction is committed: the ledger's steps, applied to the state.

    outcome   progress, scores and end of a lane        loss     back into the queue, or failed
    admitted  running, its next attempt                 ended    terminal, by cancelling or pruning

Files that no row names any more are deleted here, after the commit that let go of them.
"""

from service.db.roles import ROLES
from service.db.states import TrialStatus
from service.dispatcher.checkpoints import CheckpointStore
from service.dispatcher.pruning.decisions import LaneOutcome
from service.dispatcher.retries import RetryDecision
from service.dispatcher.state import MachineFailures, SlotState, StudyState, TrialState
from service.dispatcher.store import generations
from service.dispatcher.store.entries import keeps_file, keeps_previous
from service.executors.base import SegmentReport


def admitted(trial: TrialState) -> None:
    """Begin the trial's next attempt."""
    trial.status = TrialStatus.RUNNING
    trial.attempt += 1
    trial.begun_at = trial.meta_iteration


def outcome(study: StudyState, store: CheckpointStore, reported: LaneOutcome) -> None:
    """Take over how far a lane came, its loss if it was judged, and its end if it ended."""
    trial, lane = reported.trial, reported.lane
    let_go = trial.previous_checkpoint
    generations.take(trial, generations.superseded(trial, lane.checkpoint))
    trial.meta_iteration, trial.status = lane.meta_iteration, reported.status
    trial.checkpoint, trial.checkpoint_sha256 = lane.checkpoint, lane.digest
    trial.solo, trial.losses_here, trial.machine = False, 0, MachineFailures()
    if let_go not in (trial.checkpoint, trial.previous_checkpoint):
        store.delete(let_go)
    if reported.scored is not None:
        trial.loss, trial.metrics = reported.loss, reported.metrics
        if reported.searches:
            study.add_loss(reported.place, reported.scored, reported.metrics)
    if trial.ended:
        trial.cause = lane.cause
        if not keeps_file(trial, reported.status):
            _delete(store, trial)
        elif not keeps_previous(trial):
            _delete_previous(store, trial)
    study.moved(trial)


def trivial(study: StudyState, slot: SlotState, report: SegmentReport) -> None:
    """Take over that trivial predictors need not be scored on these tasks again."""
    told = report.trivial is not None or report.trivial_failure is not None
    if slot.group is not None and told:
        study.trivial_tasks[ROLES[slot.group.role].bank] = slot.trivial_tasks


def slow(study: StudyState, slot: SlotState, report: SegmentReport) -> None:
    """Take over that the study has a warning of lanes that are not mapped."""
    branch = study.branches.get(slot.group.branch) if slot.group is not None else None
    if branch is not None and report.lane_by_lane is not None:
        branch.slow_told = True


def loss(store: CheckpointStore, trial: TrialState, decided: RetryDecision) -> None:
    """Take over what the loss of its worker means for a lane."""
    trial.status = TrialStatus.FAILED if decided.failed else TrialStatus.QUEUED
    trial.attempts, trial.solo = decided.attempts, decided.solo
    if decided.is_loss:
        trial.losses += 1
        trial.losses_here += 1
    if decided.failed:
        trial.cause = decided.cause
    if decided.gives_up:
        store.delete(trial.checkpoint, at_once=True)
        generations.take(trial, generations.given_up(trial))
    if decided.failed:
        _delete(store, trial)


def ended(
    store: CheckpointStore, trial: TrialState, status: TrialStatus, cause: str | None = None
) -> None:
    """End a trial that no segment has ended; its checkpoint is not needed."""
    _delete(store, trial)
    trial.status = status
    if cause is not None:
        trial.cause = cause


def _delete(store: CheckpointStore, trial: TrialState) -> None:
    """Delete what a trial would have resumed from."""
    store.delete(trial.checkpoint)
    trial.checkpoint = trial.checkpoint_sha256 = None
    _delete_previous(store, trial)


def _delete_previous(store: CheckpointStore, trial: TrialState) -> None:
    store.delete(trial.previous_checkpoint)
    generations.take(trial, generations.NO_PREVIOUS)
