"""Retention: which rows are of long ago and may go, and how they go, some at a time.

    mo_events       of a study that has ended: all but its end.  The last of those that go becomes
                    `events_cleared`, so who asks for older ones is told that they are gone
    mo_segments     of a study that has ended, which is told `segments_cleared`
    mo_deliveries   that are over, once no webhook looks back to their event
    mo_schedule_runs        that made no study; the newest of each schedule stays
    mo_idempotency_keys     mo_sessions

Nobody gives a name to an id twice: SQLite gives the greatest id again once its row is gone, so the
newest event always stays, as an end or as `events_cleared`.

Two may clear at once: who clears a study holds its row.  Transactions belong to the caller;
nothing here commits.
"""

from datetime import datetime
from typing import Any, NamedTuple, cast

from sqlalchemy import (
    ColumnElement,
    CursorResult,
    Select,
    and_,
    delete,
    exists,
    func,
    inspect,
    or_,
    select,
    tuple_,
    update,
)
from sqlalchemy.orm import Session, aliased

from service.db.events import LATE_EVENTS, append_event
from service.db.states import TERMINAL_STUDIES, DeliveryStatus, RunStatus
from service.db.tables import (
    Base,
    BrowserSession,
    Delivery,
    Event,
    IdempotencyKey,
    Notified,
    ScheduleRun,
    Segment,
    Study,
)
from service.events import EVENTS_CLEARED, SEGMENTS_CLEARED

STAY = (*(f"study_{status}" for status in sorted(TERMINAL_STUDIES)), EVENTS_CLEARED,
        SEGMENTS_CLEARED)  # fmt: skip
"""Kinds of events that stay for as long as their study."""

Place = tuple[datetime, str]
"""Of a study among those that have ended: when, and its id."""


class Old(NamedTuple):
    """Rows of a table that may go.

    Args:
        table: Which.
        keys: Its primary key, of those that may.
    """

    table: type[Base]
    keys: Select[Any, Any] | Select[Any]


def old_deliveries(before: datetime) -> Old:
    """Deliveries made before an instant that are over.

    A webhook looks for new events some way before its place, and knows by their deliveries which
    of those it was told.
    """
    place = select(Notified.last_event_id).where(Notified.webhook == Delivery.webhook)
    looked_at = Delivery.event_id > place.scalar_subquery() - LATE_EVENTS
    return Old(
        Delivery,
        select(Delivery.delivery_id).where(
            Delivery.created_at < before,
            Delivery.status != DeliveryStatus.PENDING,
            or_(Delivery.event_id.is_(None), ~func.coalesce(looked_at, False)),
        ),
    )


def old_runs(before: datetime) -> Old:
    """Runs that were to be before an instant, and came to nothing."""
    other = aliased(ScheduleRun)
    newest = select(func.max(other.fire_at)).where(other.schedule_id == ScheduleRun.schedule_id)
    return Old(
        ScheduleRun,
        select(ScheduleRun.schedule_id, ScheduleRun.fire_at).where(
            ScheduleRun.status.in_([RunStatus.SKIPPED, RunStatus.REFUSED]),
            ScheduleRun.fire_at < before,
            ScheduleRun.created_at < before,  # a clock may have been ahead
            ScheduleRun.fire_at != newest.scalar_subquery(),
        ),
    )


def old_idempotency_keys(before: datetime) -> Old:
    """Idempotency-Keys that were used before an instant."""
    keys = select(IdempotencyKey.project, IdempotencyKey.key)
    return Old(IdempotencyKey, keys.where(IdempotencyKey.created_at < before))


def old_sessions(before: datetime) -> Old:
    """Browsers' sessions that expired before an instant."""
    keys = select(BrowserSession.session_sha256)
    return Old(BrowserSession, keys.where(BrowserSession.expires_at < before))


def are_any(session: Session, old: Old) -> bool:
    """Whether there is a row that may go."""
    return session.execute(old.keys.limit(1)).first() is not None


def count_old(session: Session, old: Old) -> int:
    """How many there are."""
    return session.scalar(select(func.count()).select_from(old.keys.subquery())) or 0


def delete_old(session: Session, old: Old, *, limit: int) -> int:
    """Delete some of them; return how many."""
    key = tuple_(*inspect(old.table).primary_key)
    return _rows(session, delete(old.table).where(key.in_(old.keys.limit(limit))))


def studies_with_events(
    session: Session, before: datetime, after: Place | None, *, limit: int
) -> list[Place]:
    """Studies that ended before an instant with events that may go, the oldest end first.

    Args:
        after: Begin after this place.
    """
    has = exists().where(Event.study_id == Study.study_id, _may_go(session))
    return _studies(session, has, before, after, limit)


def studies_with_segments(
    session: Session, before: datetime, after: Place | None, *, limit: int
) -> list[Place]:
    """Likewise, those that have segments."""
    has = exists().where(Segment.study_id == Study.study_id)
    return _studies(session, has, before, after, limit)


def count_events(session: Session, before: datetime) -> int:
    """How many events may go, of studies that ended before an instant."""
    query = select(func.count()).select_from(Event).join(Study, Study.study_id == Event.study_id)
    return session.scalar(query.where(_ended(before), _may_go(session))) or 0


def count_segments(session: Session, before: datetime) -> int:
    """How many segments may go, of studies that ended before an instant."""
    query = select(func.count()).select_from(Segment)
    query = query.join(Study, Study.study_id == Segment.study_id)
    return session.scalar(query.where(_ended(before))) or 0


def clear_events(session: Session, study_id: str, *, limit: int, now: datetime) -> int:
    """Let the study's oldest events go that may, at most `limit`; return how many did.

    The last of them becomes `events_cleared`, and says how many went in all.
    """
    if not _hold(session, study_id):
        return 0
    own = Event.study_id == study_id
    query = select(Event.event_id).where(own, _may_go(session)).order_by(Event.event_id)
    gone = session.scalars(query.limit(limit)).all()
    if not gone:
        return 0
    earlier = session.execute(
        select(Event.event_id, Event.data).where(own, Event.kind == EVENTS_CLEARED)
    ).all()
    count = len(gone) + sum(data["events"] for _, data in earlier)
    for ids in (gone[:-1], [event_id for event_id, _ in earlier]):
        _rows(session, delete(Event).where(Event.event_id.in_(ids)))
    values = {"kind": EVENTS_CLEARED, "data": {"events": count}, "created_at": now}
    _rows(session, update(Event).where(Event.event_id == gone[-1]).values(**values))
    return len(gone)


def clear_segments(session: Session, study_id: str, *, limit: int, now: datetime) -> int:
    """Let some of the study's segments go, at most `limit`; return how many did."""
    if not _hold(session, study_id):
        return 0
    some = select(Segment.segment_id).where(Segment.study_id == study_id).limit(limit)
    gone = _rows(session, delete(Segment).where(Segment.segment_id.in_(some)))
    told = select(Event.event_id).where(Event.study_id == study_id, Event.kind == SEGMENTS_CLEARED)
    if gone and session.scalar(told.limit(1)) is None:
        append_event(session, study_id, SEGMENTS_CLEARED, {}, now=now)
    return gone


def _studies(
    session: Session, has: ColumnElement[bool], before: datetime, after: Place | None, limit: int
) -> list[Place]:
    query = select(Study.finished_at, Study.study_id).where(_ended(before), has)
    if after is not None:
        query = query.where(tuple_(Study.finished_at, Study.study_id) > after)
    query = query.order_by(Study.finished_at, Study.study_id).limit(limit)
    return [(cast("datetime", row[0]), row[1]) for row in session.execute(query)]


def _ended(before: datetime) -> ColumnElement[bool]:
    return Study.finished_at < before  # it has ended: those alone have one


def _may_go(session: Session) -> ColumnElement[bool]:
    """Which events need not stay: every webhook has taken them in."""
    told = session.scalar(select(func.min(Notified.last_event_id)))
    goes = Event.kind.not_in(STAY)
    return goes if told is None else and_(goes, Event.event_id <= told)


def _hold(session: Session, study_id: str) -> bool:
    """Hold the study's row until the transaction ends; whether it is there and has ended."""
    query = select(Study.status).where(Study.study_id == study_id).with_for_update()
    return session.scalar(query) in TERMINAL_STUDIES


def _rows(session: Session, statement: Any) -> int:
    options = {"synchronize_session": False}
    done = cast("CursorResult[Any]", session.execute(statement, execution_options=options))
    return done.rowcount
