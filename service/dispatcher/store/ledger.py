"""The ledger: what the dispatcher writes about trials, one transaction per step.

    admit    asks, new trials and attempts      committed before the order is sent
    report   scores, progress, ends, tells,
             and the segment itself             committed before the sampler is told
    lose     what a loss means for each lane    committed before the lanes are tried again
    release  lanes back to the queue            committed before they are given to another slot
    end_left what a search leaves that has      committed before the sampler is told
             no budget any more

Each transaction begins with the fence (`service.db.dispatcher`) and raises EpochLost once
another dispatcher is live.  The state in memory follows only after the commit, so a step whose
transaction fails because the database is away is tried again as it is (`store.steps`); if it fails
otherwise, the caller throws that state away and loads it again.
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from threading import Event as Flag
from typing import NamedTuple, TypeVar

from sqlalchemy import Engine
from sqlalchemy.orm import Session

from service.db.asks import RANDOM
from service.db.bulk.writes import Row
from service.db.roles import ROLES
from service.db.states import AttemptOutcome, TrialStatus
from service.db.tables import Ask
from service.dispatcher.checkpoints import CheckpointStore
from service.dispatcher.pruning.decisions import LaneOutcome
from service.dispatcher.retries import RetryDecision
from service.dispatcher.scheduler.branch_budgets import reallot
from service.dispatcher.scheduler.budget import Left, after_segment, after_trials
from service.dispatcher.state import (
    BranchState,
    NewTrial,
    SlotState,
    Spent,
    StudyState,
    TrialState,
)
from service.dispatcher.store import apply, entries
from service.dispatcher.store.entries import Entry
from service.dispatcher.store.steps import Steps
from service.executors.base import SegmentReport

T = TypeVar("T")


class _Tell(NamedTuple):
    trial: TrialState
    outcome: str
    loss: float | None
    meta_iteration: int | None
    metrics: dict[str, float]


class Ledger:
    """Writes as one epoch.

    Args:
        engine: The database.
        epoch: Named by every write.
        store: Where checkpoints are.
        clock: Returns the present instant, UTC-aware.
        stop: Set once the dispatcher is to stop.
    """

    def __init__(
        self,
        engine: Engine,
        epoch: int,
        store: CheckpointStore,
        clock: Callable[[], datetime],
        stop: Flag | None = None,
    ) -> None:
        self.epoch = epoch
        self.store = store
        self.now = clock
        steps = Steps(engine, epoch, stop)
        self.read, self.fenced = steps.read, steps.write

    def write(self, study: StudyState, body: Callable[[Entry], T]) -> T:
        """Write what `body` enters about a study, as one step; return what it gave."""

        def step(session: Session) -> T:
            entry = Entry(session, study, self.epoch, self.now())
            given = body(entry)
            entry.writes.write(session)
            return given

        return self.fenced(step)

    def admit(
        self,
        study: StudyState,
        slot: str,
        new: Sequence[NewTrial],
        admitted: Sequence[TrialState],
    ) -> None:
        """Write new trials, and begin an attempt for each admitted one."""

        def body(entry: Entry) -> list[BranchState]:
            for asked in new:
                entries.add_trial(entry, asked.trial, asked.ask_index)
                _log_ask(entry, asked)
            for trial in admitted:
                entries.begin(entry, trial, slot)
            return _warn_of_failures(entry, new)

        for branch in self.write(study, body):
            branch.failure_told = True
        study.add(asked.trial for asked in new)
        for trial in admitted:
            apply.admitted(trial)
            study.moved(trial)

    def report(
        self,
        study: StudyState,
        slot: SlotState,
        outcomes: Sequence[LaneOutcome],
        report: SegmentReport,
        slot_seconds: float,
    ) -> None:
        """Write what a segment brought, then tell the samplers and delete what was replaced.

        Args:
            slot_seconds: Time of all the study's slots since its segment before.
        """
        seconds = report.seconds / max(1, len(outcomes))
        left = [outcome for outcome in outcomes if outcome.status != TrialStatus.RUNNING]
        tells = [_tell_of(outcome) for outcome in left if outcome.trial.role.told_to_sampler]
        spent, told = _spent_after(study, slot, report, tells), _told(study, tells)

        def body(entry: Entry) -> None:
            for outcome in outcomes:
                entries.write_outcome(entry, outcome, seconds)
            for outcome in left:
                entries.close_attempt(entry, outcome.trial, *_attempt_end(outcome))
            entries.add_segment(entry, slot, report, slot_seconds)
            entries.write_spent(entry, spent)
            entry.writes.add_all(Ask, told)
            _warn_of_rule(entry)
            entries.write_trivial(entry, slot, report)
            entries.write_slow(entry, slot, report)

        self.write(study, body)
        study.rule_failure = None
        apply.trivial(study, slot, report)
        apply.slow(study, slot, report)
        study.spent = study.saved = spent
        for outcome in outcomes:
            study.took(outcome.trial, seconds)
            apply.outcome(study, self.store, outcome)
        _tell_samplers(study, tells)

    def lose(
        self,
        study: StudyState,
        slot: str,
        losses: Sequence[tuple[TrialState, RetryDecision]],
        cause: str,
    ) -> None:
        """Write what a loss means for each lane of a slot."""
        tells = [
            _Tell(trial, TrialStatus.FAILED, None, None, {})
            for trial, loss in losses
            if loss.failed and trial.role.told_to_sampler
        ]
        numbers, told = [trial.trial_number for trial, _ in losses], _told(study, tells)

        def body(entry: Entry) -> None:
            data = {"slot": slot, "cause": cause, "trial_numbers": numbers}
            entry.event("worker_lost", data)
            for trial, loss in losses:
                entries.write_loss(entry, trial, loss)
            entry.writes.add_all(Ask, told)

        self.write(study, body)
        study.spent = _after_tells(study, study.spent, tells)
        for trial, loss in losses:
            apply.loss(self.store, trial, loss)
            study.moved(trial)
        _tell_samplers(study, tells)

    def release(self, study: StudyState, lanes: Sequence[TrialState], cause: str) -> None:
        """Put running trials back into the queue, to resume from their checkpoints."""

        def body(entry: Entry) -> None:
            for trial in lanes:
                entries.requeue(entry, trial)
                entries.close_attempt(entry, trial, AttemptOutcome.EVICTED, cause)

        self.write(study, body)
        for trial in lanes:
            trial.status = TrialStatus.QUEUED
            study.moved(trial)

    def end_left(self, study: StudyState, left: Sequence[Left], cause: str) -> None:
        """End trials, running or queued, for which their search has no budget any more."""
        running = [end.trial for end in left if end.trial.status == TrialStatus.RUNNING]
        pruned = [end.trial for end in left if end.status == TrialStatus.PRUNED]
        tells = [
            _Tell(end.trial, end.status, end.loss, end.rung, end.trial.metrics)
            for end in left
            if end.trial.role.told_to_sampler
        ]
        told = _told(study, tells)

        def body(entry: Entry) -> None:
            for end in left:
                entries.end(entry, end.trial, end.status, cause=cause)
            for trial in running:
                entries.close_attempt(entry, trial, AttemptOutcome.EVICTED, cause)
            entry.writes.add_all(Ask, told)

        self.write(study, body)
        for end in left:
            apply.ended(self.store, end.trial, end.status, cause)
            study.moved(end.trial)
        _count_pruned(study, pruned)
        _tell_samplers(study, tells)

    def end_queued(
        self, study: StudyState, queued: Sequence[TrialState], status: TrialStatus
    ) -> None:
        """End queued trials: cancelled with their study, or pruned where they wait in vain.

        Samplers are not told: of a study that has ended they are asked no more, and of a trial
        that waits they know the score.
        """

        def body(entry: Entry) -> None:
            for trial in queued:
                entries.end(entry, trial, status)

        self.write(study, body)
        for trial in queued:
            apply.ended(self.store, trial, status)
            study.moved(trial)
        if status == TrialStatus.PRUNED:
            _count_pruned(study, queued)


def _tell_of(outcome: LaneOutcome) -> _Tell:
    ended = "paused" if outcome.status == TrialStatus.QUEUED else str(outcome.status)
    return _Tell(outcome.trial, ended, outcome.loss, outcome.lane.meta_iteration, outcome.metrics)


def _attempt_end(outcome: LaneOutcome) -> tuple[AttemptOutcome, str | None]:
    if outcome.status == TrialStatus.QUEUED:
        return AttemptOutcome.EVICTED, f"waits at rung {outcome.lane.meta_iteration}"
    return AttemptOutcome.FINISHED, None


def _spent_after(
    study: StudyState, slot: SlotState, report: SegmentReport, tells: Sequence[_Tell]
) -> Spent:
    if slot.group is None or not ROLES[slot.group.role].paid_by_search:
        return study.spent
    trained = slot.iterations * len(report.lanes)
    spent = after_segment(study.spent, seconds=report.seconds, lane_iterations=trained)
    return _after_tells(study, spent, tells)


def _after_tells(study: StudyState, spent: Spent, tells: Sequence[_Tell]) -> Spent:
    tells = [tell for tell in tells if tell.outcome != "paused"]  # those have not ended
    if not tells:
        return spent
    feasible = study.plan.goals.feasible
    losses = [
        t.loss if t.outcome == TrialStatus.COMPLETED and feasible(t.metrics) else None
        for t in tells
    ]
    return after_trials(spent, losses)


def _count_pruned(study: StudyState, trials: Sequence[TrialState]) -> None:
    """Count trials that ended without a better score, as a restart does from their rows."""
    searched = [None for trial in trials if trial.role.told_to_sampler]
    if searched:
        study.spent = after_trials(study.spent, searched)


def _score(study: StudyState, loss: float | None) -> float | None:
    return None if loss is None else study.plan.goals.score(loss)


def _log_ask(entry: Entry, asked: NewTrial) -> None:
    row = {
        "study_id": entry.study.study_id,
        "branch": asked.trial.group.branch,
        "sequence": asked.sequence,
        "kind": "ask",
        "trial_number": asked.trial.trial_number,
        "params": asked.asked,
        "outcome": RANDOM if asked.failure is not None else None,
    }
    entry.writes.add(Ask, row)


def _warn_of_failures(entry: Entry, new: Sequence[NewTrial]) -> list[BranchState]:
    """Say once of each branch that its sampler has failed; return those of which it was said."""
    failed: list[BranchState] = []
    for asked in new:
        branch = entry.study.branches[asked.trial.group.branch]
        if asked.failure is not None and not branch.failure_told and branch not in failed:
            failed.append(branch)
            entries.warn(
                entry,
                f"sampler {entry.study.spec.search.sampler} of branch {branch.branch.name} "
                f"failed ({asked.failure}): from trial {asked.trial.trial_number} on its points "
                "are drawn at random",
            )
    return failed


def _warn_of_rule(entry: Entry) -> None:
    if entry.study.rule_failure is not None:
        entries.warn(
            entry,
            f"pruning rule {entry.study.spec.pruning.kind} failed ({entry.study.rule_failure}): "
            "trials that it does not decide on train to their end",
        )


def _told(study: StudyState, tells: Sequence[_Tell]) -> list[Row]:
    """The rows of the log that say what samplers are told, each with its place in it."""
    return [
        {
            "study_id": study.study_id,
            "branch": tell.trial.group.branch,
            "sequence": study.branches[tell.trial.group.branch].next_sequence(),
            "kind": "tell",
            "trial_number": tell.trial.trial_number,
            "outcome": tell.outcome,
            "value": _score(study, tell.loss),
            "meta_iteration": tell.meta_iteration,
            "metrics": tell.metrics,
        }
        for tell in tells
    ]


def _tell_samplers(study: StudyState, tells: Sequence[_Tell]) -> None:
    for tell in tells:
        trial = tell.trial
        study.branches[trial.group.branch].search.tell(
            trial.trial_number,
            tell.outcome,
            tell.loss,
            tell.meta_iteration,
            study.losses_of(trial.group.branch, trial.trial_number),
            tell.metrics,
        )
    reallot(study)
