"""Events: what happened to a study, in order.

Kinds: study_submitted, study_running, study_paused, study_resumed, study_cancelled,
study_completed, study_failed, trial_started, trial_reported, trial_finished, worker_lost,
budget_changed, search_ended, replicas_started, verdict_started, gates_looking, gates_passed,
gate_failed, baseline_promoted, drift_detected (after the study's end).  `data` holds ids, names and
numbers only, all finite:

    trial_*          trial_number, branch, role
    trial_reported   and meta_iteration, score, low, high   (enough to draw the curve)
    trial_finished   and status
    budget_changed   budget: the fields that changed
    search_ended     by: the budget that is spent
    gates_looking    tasks, trials: trainings that are trained afresh or looked at again
    gates_passed     answers: what each rule was answered; gate_failed likewise
    baseline_promoted  name, version
    drift_detected   schedule_id, schedule, baseline, version, direction, score, before, centre
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from service.db.tables import Event


def append_event(
    session: Session, study_id: str, kind: str, data: dict[str, Any], *, now: datetime
) -> None:
    """Add an event to the study's stream."""
    session.add(Event(study_id=study_id, kind=kind, data=data, created_at=now))


def events_after(
    session: Session, study_id: str, event_id: int, *, limit: int = 500
) -> Sequence[Event]:
    """Return the study's events with a greater id, oldest first."""
    query = (
        select(Event)
        .where(Event.study_id == study_id, Event.event_id > event_id)
        .order_by(Event.event_id)
        .limit(limit)
    )
    return session.scalars(query).all()
