"""Deliveries: which events a webhook is still to be told, and how telling it went.

    mo_events ──new_events──▶ add ──▶ pending ──record──▶ pending | delivered | failed

An event has at most one delivery for each webhook; the constraint holds whoever writes.

Transactions belong to the caller; nothing here commits.
"""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any, NamedTuple, cast

from sqlalchemy import CursorResult, delete, exists, func, or_, select, tuple_, update
from sqlalchemy.orm import Session

from service.db.events import LATE_EVENTS
from service.db.states import DeliveryStatus
from service.db.tables import Delivery, Event, Notified, Study


class NewEvent(NamedTuple):
    """An event that a webhook is to be told, with its study's name and status."""

    event_id: int
    study_id: str
    kind: str
    data: dict[str, Any]
    created_at: datetime
    name: str
    status: str


def newest_event(session: Session) -> int:
    """The greatest id of an event, 0 before the first."""
    return session.scalar(select(func.coalesce(func.max(Event.event_id), 0))) or 0


def find_place(session: Session, webhook: str) -> Notified | None:
    """How far the webhook has come; None for one that has only just been configured."""
    return session.get(Notified, webhook)


def add_place(session: Session, webhook: str, event_id: int) -> None:
    """Let the webhook begin after an event."""
    session.add(Notified(webhook=webhook, since_event_id=event_id, last_event_id=event_id))


def new_events(
    session: Session,
    place: Notified,
    kinds: Collection[str],
    *,
    project: str,
    newest: int,
    limit: int,
) -> list[NewEvent]:
    """Return events of the project, of these kinds, up to `newest`, not delivered to the webhook.

    Oldest first.  On Postgres an event may be committed after others with a greater id, so this
    begins some way before the webhook's place.
    """
    first = max(place.since_event_id, place.last_event_id - LATE_EVENTS)
    delivered = exists().where(
        Delivery.event_id == Event.event_id, Delivery.webhook == place.webhook
    )
    query = (
        select(
            Event.event_id, Event.study_id, Event.kind, Event.data, Event.created_at,
            Study.name, Study.status,
        )
        .join(Study, Study.study_id == Event.study_id)
        .where(Event.event_id > first, Event.event_id <= newest, Event.kind.in_(kinds), ~delivered)
        .where(func.coalesce(Study.project, "") == project)  # by event, not by project: no sorting
        .order_by(Event.event_id)
        .limit(limit)
    )  # fmt: skip
    return [NewEvent(*row) for row in session.execute(query)]


def add(session: Session, delivery: Delivery) -> None:
    """Add a delivery."""
    session.add(delivery)
    session.flush()


def due(
    session: Session, webhook: str, now: datetime, *, latest: datetime, limit: int
) -> Sequence[Delivery]:
    """Return pending deliveries whose next attempt is due, the one that waited longest first.

    Args:
        latest: No pause ends later; an attempt that does was set by a clock that was ahead.
    """
    query = (
        select(Delivery)
        .where(
            Delivery.webhook == webhook,
            Delivery.status == DeliveryStatus.PENDING,
            or_(Delivery.next_attempt_at <= now, Delivery.next_attempt_at > latest),
        )
        .order_by(Delivery.next_attempt_at, Delivery.created_at, Delivery.event_id)
        .limit(limit)
    )
    return session.scalars(query).all()


def record(session: Session, delivery: Delivery, **values: Any) -> bool:
    """Write what an attempt came to; return False if the row has changed since it was read."""
    statement = (
        update(Delivery)
        .where(
            Delivery.delivery_id == delivery.delivery_id,
            Delivery.status == DeliveryStatus.PENDING,
            Delivery.attempts == delivery.attempts,
        )
        .values(attempts=delivery.attempts + 1, **values)
        .execution_options(synchronize_session=False)
    )
    return cast("CursorResult[Any]", session.execute(statement)).rowcount == 1


def retire(session: Session, configured: Collection[str], *, error: str) -> None:
    """Give up what is pending for other webhooks than these, and forget their places."""
    session.execute(
        update(Delivery)
        .where(Delivery.status == DeliveryStatus.PENDING, Delivery.webhook.not_in(configured))
        .values(status=DeliveryStatus.FAILED, next_attempt_at=None, last_error=error)
    )
    session.execute(delete(Notified).where(Notified.webhook.not_in(configured)))


def pending_test(session: Session, webhook: str) -> Delivery | None:
    """A test of the webhook that is still on its way."""
    query = select(Delivery).where(
        Delivery.webhook == webhook,
        Delivery.status == DeliveryStatus.PENDING,
        Delivery.event == "test",
    )
    return session.scalars(query.limit(1)).first()


def latest(session: Session, webhook: str) -> Delivery | None:
    """The webhook's newest delivery."""
    return next(iter(deliveries_before(session, None, webhook=webhook, status=None, limit=1)), None)


def oldest_pending(session: Session) -> datetime | None:
    """Return since when the delivery waits that waited longest; None if none does."""
    query = select(func.min(Delivery.created_at)).where(Delivery.status == DeliveryStatus.PENDING)
    return session.scalar(query)


def deliveries_before(
    session: Session,
    before: tuple[datetime, str] | None,
    *,
    webhook: str | None,
    status: str | None,
    limit: int,
) -> Sequence[Delivery]:
    """Return deliveries, newest first, after a place in that order."""
    place = tuple_(Delivery.created_at, Delivery.delivery_id)
    query = select(Delivery).order_by(Delivery.created_at.desc(), Delivery.delivery_id.desc())
    if webhook is not None:
        query = query.where(Delivery.webhook == webhook)
    if status is not None:
        query = query.where(Delivery.status == status)
    if before is not None:
        query = query.where(place < before)
    return session.scalars(query.limit(limit)).all()
