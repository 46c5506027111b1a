"""Spending: keeps what a search has spent, and ends it once a budget is spent."""

from collections.abc import Iterable

import structlog

from service.db import spending, study_progress
from service.db.states import StudyStatus
from service.dispatcher.scheduler.budget import (
    TIME,
    cause_of,
    left_trial,
    of_branch,
    rebudget,
    searches,
    spent_budget,
)
from service.dispatcher.state import POINTS, BranchState, SlotState, StudyState, TrialState
from service.dispatcher.store.entries import Entry, warn, write_spent
from service.dispatcher.store.ledger import Ledger
from service.wire.spec.study import StudySpec

log = structlog.get_logger("dispatcher")


def enforce(ledger: Ledger, study: StudyState, slots: Iterable[SlotState]) -> None:
    """End the search of a running study whose budget is spent, or of its branches that may not
    spend more, and what no segment trains now.
    """
    if study.status != StudyStatus.RUNNING:
        return
    slots = [slot for slot in slots if searches(slot, study)]
    if study.search_ended_by is None:
        by = spent_budget(study.spec.budget, study.spent, study.plan.goals)
        if all(branch.spent for branch in study.branches.values()):
            by = by or "device_seconds"
        if by is None or not end_search(ledger, study, by):
            for branch in study.branches.values():
                if branch.spent:
                    _end_branch(ledger, study, branch, slots)
            return
    left = [trial for trial in study.queued() if trial.role.paid_by_search]
    _end_left(ledger, study, left, slots, cause_of(study.search_ended_by or ""))


def _end_branch(
    ledger: Ledger, study: StudyState, branch: BranchState, slots: Iterable[SlotState]
) -> None:
    name = branch.branch.name
    queued = study.open.numbers(("ready", "waiting"), roles=POINTS, branch=name)
    left = [study.trials[number] for number in queued]
    own = [slot for slot in slots if of_branch(slot, branch)]
    _end_left(ledger, study, left, own, f"the device_seconds of branch {name} are spent")


def _end_left(
    ledger: Ledger,
    study: StudyState,
    queued: list[TrialState],
    slots: Iterable[SlotState],
    cause: str,
) -> None:
    """End trials that are queued, and those on slots where no segment is under way."""
    idle = [slot for slot in slots if slot.future is None]
    left = queued + [trial for slot in idle for trial in slot.lanes]
    if left:
        ledger.end_left(study, [left_trial(study, trial) for trial in left], cause)
    for slot in idle:
        slot.lanes = []


def overdue(study: StudyState, slots: Iterable[SlotState]) -> list[SlotState]:
    """Slots with lanes of a search, or of a branch, whose time is over: their segments need not go
    on.
    """
    over = study.search_ended_by in TIME
    spent = [branch for branch in study.branches.values() if branch.spent]
    return [
        slot
        for slot in slots
        if searches(slot, study) and (over or any(of_branch(slot, branch) for branch in spent))
    ]


def end_search(ledger: Ledger, study: StudyState, by: str, *, warning: str | None = None) -> bool:
    """End a study's search; False if the study has moved, or its budget has changed.

    Args:
        ledger, study: Whose.
        by: The budget that is spent, or `ERROR`.
        warning: Written with it.
    """

    def body(entry: Entry) -> bool:
        ended = study_progress.end_search(entry.session, study.study_id, version=study.version)
        if ended:
            spending.save_end(entry.session, study.study_id, by)
            entry.event("search_ended", {"by": by})
            if warning is not None:
                warn(entry, warning)
        return ended

    ended = ledger.write(study, body)
    if ended:
        study.search_ended_by = by
        study.version += 1
        log.info("search_ended", study_id=study.study_id, by=by)
    return ended


def save(ledger: Ledger, study: StudyState) -> None:
    """Keep what the search has spent, also while no segment is reported."""
    if study.spent == study.saved:
        return
    ledger.write(study, lambda entry: write_spent(entry, study.spent))
    study.saved = study.spent


def follow(ledger: Ledger, study: StudyState, version: int) -> None:
    """Take over a budget that was changed from outside; `version` is the study's now."""
    if version == study.version:
        return
    spec = ledger.read(lambda session: study_progress.read_spec(session, study.study_id))
    rebudget(study, StudySpec.model_validate(spec).budget)
    study.version = version
