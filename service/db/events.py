"""Events: what happened to a study, in order; the kinds are those of `service.events`."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from service.db.tables import Event
from service.events import EVENTS

LATE_EVENTS = 1000  # on Postgres an event may be committed after others with a greater id


def append_event(
    session: Session, study_id: str, kind: str, data: dict[str, Any], *, now: datetime
) -> None:
    """Add an event to the study's stream.

    Raises:
        MetaoptError: As `event_row`.
    """
    session.add(Event(**event_row(study_id, kind, data, now=now)))


def event_row(study_id: str, kind: str, data: dict[str, Any], *, now: datetime) -> dict[str, Any]:
    """The row of an event of the study.

    Raises:
        MetaoptError: `service.events` has no such kind, or none that says this.
    """
    EVENTS.get(kind).check(data)
    return {"study_id": study_id, "kind": kind, "data": data, "created_at": now}


def events_after(
    session: Session, study_id: str, event_id: int, *, limit: int = 500
) -> Sequence[Event]:
    """The study's events with a greater id, oldest first."""
    query = (
        select(Event)
        .where(Event.study_id == study_id, Event.event_id > event_id)
        .order_by(Event.event_id)
        .limit(limit)
    )
    return session.scalars(query).all()


def last_event(session: Session, study_id: str) -> int:
    """The id of the study's latest event; 0 if it has none."""
    query = select(func.max(Event.event_id)).where(Event.study_id == study_id)
    return session.scalar(query) or 0
