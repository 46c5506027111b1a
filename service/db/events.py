"""Events: what happened to a study, in order; the kinds are those of `service.events`."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import select
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


def new_events(
    session: Session, after: int, missing: Sequence[int], *, limit: int
) -> Sequence[Event]:
    """The events of all studies with one of some ids, and those with a greater id than one.

    Args:
        missing: Ids that are not greater.
        limit: Of the latter.
    """
    query = select(Event).order_by(Event.event_id).limit(limit)
    late = session.scalars(query.where(Event.event_id.in_(missing))).all() if missing else []
    return [*late, *session.scalars(query.where(Event.event_id > after)).all()]


def latest_ids(session: Session, most: int) -> Sequence[int]:
    """The greatest ids of events, at most so many, in their order."""
    query = select(Event.event_id).order_by(Event.event_id.desc()).limit(most)
    return session.scalars(query).all()[::-1]
