"""The live dispatcher: one row, whose epoch every write of a dispatcher names.

    acquire ──▶ epoch n ──fence, fence, … (each write; refreshes too)──▶ release | taken over
                                                                           by acquire ─▶ n + 1

`fence` is an UPDATE of the row WHERE epoch = n, first in every transaction of a dispatcher.
It locks the row until the transaction ends, so a takeover waits for a write in flight, and a
write begun after a takeover changes no row and raises `EpochLost`.  That is all the mutual
exclusion needed; an advisory lock of Postgres would add nothing but a second truth (it is lost
with its connection while the epoch still stands).

A row is stale ten seconds after its last refresh by the database's clock, or at once where its
holder is known to be dead (a process of the same host).

Transactions belong to the caller; nothing here commits.
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import bindparam, func, select, update
from sqlalchemy.orm import Session

from service.db.tables import DispatcherRow

STALE_AFTER = timedelta(seconds=10)
_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)


class EpochLost(Exception):
    """Another dispatcher is live: nothing this one holds is true any more."""


def database_now(session: Session) -> datetime:
    """The database's clock."""
    if session.get_bind().dialect.name == "sqlite":  # CURRENT_TIMESTAMP has whole seconds only
        text = session.scalar(select(func.strftime("%Y-%m-%d %H:%M:%f", "now")))
        return datetime.fromisoformat(str(text)).replace(tzinfo=UTC)
    now = session.scalar(select(func.clock_timestamp()))
    assert isinstance(now, datetime)
    return now.astimezone(UTC)


def acquire(session: Session, holder: str, is_dead: Callable[[str], bool]) -> int | None:
    """Become the live dispatcher: return the new epoch, or None while another one is live.

    Args:
        holder: Who asks; kept in the row.
        is_dead: Whether the holder named in the row is known to be dead.
    """
    row = session.get(DispatcherRow, 1, with_for_update=True)
    now = database_now(session)
    if row is None:
        session.add(DispatcherRow(singleton=1, epoch=1, holder=holder, refreshed_at=now))
        session.flush()  # two that begin together: the second fails on the primary key
        return 1
    if now - row.refreshed_at < STALE_AFTER and not is_dead(row.holder):
        return None
    row.epoch, row.holder, row.refreshed_at = row.epoch + 1, holder, now
    row.slots = None
    return row.epoch


def fence(session: Session, epoch: int) -> None:
    """Hold off any other dispatcher until this transaction ends, and refresh the row.

    Raises:
        EpochLost: another dispatcher has taken over.
    """
    _set_refreshed(session, epoch)


def tell_slots_of(session: Session, epoch: int, slots: dict[str, Any]) -> None:
    """Keep what the live dispatcher's slots are, as plain data; this refreshes the row too.

    Raises:
        EpochLost: another dispatcher has taken over.
    """
    fence(session, epoch)
    session.execute(update(DispatcherRow).values(slots=slots))


def slots_told(session: Session) -> dict[str, Any] | None:
    """Return what the dispatcher that last was live told of its slots, or None before it did."""
    return session.scalar(select(DispatcherRow.slots))


def check_live(session: Session, epoch: int) -> None:
    """Look whether `epoch` still stands, without holding anyone off.

    Raises:
        EpochLost: another dispatcher has taken over.
    """
    newest = session.scalar(select(DispatcherRow.epoch))
    if newest is not None and newest != epoch:
        raise EpochLost(f"epoch {epoch} is over: another dispatcher is live")


def hold_off(session: Session, epoch: int) -> None:
    """Hold off a takeover until this transaction ends, without refreshing the row.

    For what runs beside the dispatcher's loop: it must not make a loop that hangs look live.

    Raises:
        EpochLost: another dispatcher has taken over.
    """
    query = select(DispatcherRow.epoch).with_for_update(read=True)
    if session.scalar(query) != epoch:
        raise EpochLost(f"epoch {epoch} is over: another dispatcher is live")


def release(session: Session, epoch: int) -> None:
    """Let a successor take over at once.

    Raises:
        EpochLost: another dispatcher has taken over.
    """
    _set_refreshed(session, epoch, at=_LONG_AGO)


def last_refresh(session: Session) -> tuple[datetime, datetime] | None:
    """Return (last refresh, now) by the database's clock, or None if no dispatcher ever ran."""
    refreshed_at = session.scalar(select(DispatcherRow.refreshed_at))
    return None if refreshed_at is None else (refreshed_at, database_now(session))


def _set_refreshed(session: Session, epoch: int, at: datetime | None = None) -> None:
    """Say when the row was refreshed: by the database's clock now, in the same statement, or `at`.

    It is the first statement of each transaction of a dispatcher.
    """
    connection = session.connection()
    if at is not None:
        result = connection.execute(_REFRESH.values(refreshed_at=at), {"of_epoch": epoch})
    elif connection.dialect.name == "sqlite":
        result = connection.execute(_REFRESH_SQLITE, {"of_epoch": epoch})
    else:
        result = connection.execute(_REFRESH_NOW, {"of_epoch": epoch})
    if result.rowcount != 1:
        raise EpochLost(f"epoch {epoch} is over: another dispatcher is live")


_ROW = DispatcherRow.__table__
_REFRESH = update(DispatcherRow.__table__).where(  # type: ignore[arg-type]
    _ROW.c.singleton == 1, _ROW.c.epoch == bindparam("of_epoch")
)
_REFRESH_NOW = _REFRESH.values(refreshed_at=func.clock_timestamp())
# As SQLAlchemy writes instants; CURRENT_TIMESTAMP has whole seconds only.
_REFRESH_SQLITE = _REFRESH.values(refreshed_at=func.strftime("%Y-%m-%d %H:%M:%f000", "now"))
