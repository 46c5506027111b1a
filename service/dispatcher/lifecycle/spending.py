"""Spending: keeps what a search has spent, and ends it once a budget is spent."""

from collections.abc import Iterable

import structlog

from service.db import spending, study_progress
from service.db.states import StudyStatus
from service.dispatcher.scheduler.budget import (
    TIME,
    cause_of,
    left_trial,
    rebudget,
    searches,
    spent_budget,
)
from service.dispatcher.state import SlotState, StudyState
from service.dispatcher.store.entries import Entry, warn, write_spent
from service.dispatcher.store.ledger import Ledger
from service.wire.spec.study import StudySpec

log = structlog.get_logger("dispatcher")


def enforce(ledger: Ledger, study: StudyState, slots: Iterable[SlotState]) -> None:
    """End the search of a running study whose budget is spent, and what no segment trains now."""
    if study.status != StudyStatus.RUNNING:
        return
    if study.search_ended_by is None:
        by = spent_budget(study.spec.budget, study.spent, study.plan.goals)
        if by is None or not end_search(ledger, study, by):
            return
    idle = [slot for slot in slots if searches(slot, study) and slot.future is None]
    left = [trial for trial in study.queued() if trial.role.paid_by_search]
    left += [trial for slot in idle for trial in slot.lanes]
    if left:
        assert study.search_ended_by is not None
        cause = cause_of(study.search_ended_by)
        ledger.end_left(study, [left_trial(study, trial) for trial in left], cause)
    for slot in idle:
        slot.lanes = []


def overdue(study: StudyState, slots: Iterable[SlotState]) -> list[SlotState]:
    """Slots with lanes of a search whose time is over: their segments need not go on."""
    over = study.search_ended_by in TIME
    return [slot for slot in slots if searches(slot, study)] if over else []


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
