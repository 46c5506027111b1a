"""The live dispatcher: one row, whose epoch every write of a dispatcher names.

    acquire ──▶ epoch n ──fence, fence, … (each write; refreshes too)──▶ release | taken over
                                                                           by acquire ─▶ n + 1

`fence` is an UPDATE of the row WHERE epoch = n, first in every transaction of a dispatcher.
It locks the row until the transaction ends, so a takeover waits for a write in flight, and a
write begun after a takeover changes no row and raises `EpochLost`.  That is all the mutual
exclusion needed; an advisory lock of Postgres would add nothing but a second truth (it is lost
with its connection while the epoch still stands).  It may also set the number of the step that the
transaction is, so that one whose commit got no answer can be asked about (`store.steps`).

No clock decides who is live.  Who stands by watches the row, and replaces it once it has stood
unchanged for `STALE_AFTER` by the watcher's own monotonic clock (`leadership.standby`); at once
where it was released, or its holder is known to be dead (a process of the same host).  A clock that
is set, forward or back, so changes nothing.  Who only wants to know, and looks but once, asks
`sign_of_life`.

Transactions belong to the caller; nothing here commits.
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import Connection, Update, bindparam, func, select, text, update
from sqlalchemy.orm import Session

from service.db.tables import DispatcherRow

STALE_AFTER = timedelta(seconds=7)
SKEW = timedelta(seconds=5)  # a sign of life that is further in the future is of another time
RELEASED_AT = datetime(1970, 1, 1, tzinfo=UTC)
"""When the row of a dispatcher that has ended in good order was refreshed last."""


class EpochLost(Exception):
    """Another dispatcher is live: nothing this one holds is true any more."""


class StepDone(Exception):
    """An earlier try of this step was committed, though nobody was told so."""


class Sighting(NamedTuple):
    """The row as it was seen once; while its dispatcher lives, no two looks see the same for long.

    Args:
        epoch: Of the dispatcher that took it last.
        holder: Which process that is.
        refreshed_at: When it last said that it lives, by the database's clock then.
    """

    epoch: int
    holder: str
    refreshed_at: datetime

    @property
    def is_released(self) -> bool:
        """Whether its dispatcher has ended in good order."""
        return self.refreshed_at == RELEASED_AT


def look(session: Session) -> Sighting | None:
    """See the row, without a lock; None if no dispatcher ever ran."""
    row = DispatcherRow
    seen = session.execute(select(row.epoch, row.holder, row.refreshed_at)).one_or_none()
    return None if seen is None else Sighting(*seen)


def database_now(session: Session) -> datetime:
    """The database's clock."""
    if session.get_bind().dialect.name == "sqlite":  # CURRENT_TIMESTAMP has whole seconds only
        text = session.scalar(select(func.strftime("%Y-%m-%d %H:%M:%f", "now")))
        return datetime.fromisoformat(str(text)).replace(tzinfo=UTC)
    now = session.scalar(select(func.clock_timestamp()))
    assert isinstance(now, datetime)
    return now.astimezone(UTC)


def acquire(
    session: Session,
    holder: str,
    is_dead: Callable[[str], bool],
    *,
    stale: Sighting | None = None,
) -> int | None:
    """Become the live dispatcher: return the new epoch, or None while another one may be live.

    Args:
        holder: Who asks; kept in the row.
        is_dead: Whether the holder named in the row is known to be dead.
        stale: What the caller has watched for too long: its dispatcher is replaced, if the row
            still stands like this.
    """
    row = session.get(DispatcherRow, 1, with_for_update=True, populate_existing=True)
    now = database_now(session)
    if row is None:
        session.add(DispatcherRow(singleton=1, epoch=1, holder=holder, refreshed_at=now))
        session.flush()  # two that begin together: the second fails on the primary key
        return 1
    seen = Sighting(row.epoch, row.holder, row.refreshed_at)
    if not (seen.is_released or seen == stale or is_dead(row.holder)):
        return None
    row.epoch, row.holder, row.refreshed_at = row.epoch + 1, holder, now
    row.slots, row.step = None, 0
    return row.epoch


def still_stands(session: Session, seen: Sighting) -> bool:
    """Whether the row is as it was seen; its dispatcher cannot change it until this ends."""
    row = session.get(DispatcherRow, 1, with_for_update=True, populate_existing=True)
    return row is not None and Sighting(row.epoch, row.holder, row.refreshed_at) == seen


def end_stuck_transactions(connection: Connection, older_than: timedelta) -> list[int]:
    """Have PostgreSQL end the sessions that keep the row locked; return their backends' numbers.

    Of those that have been in their transaction for so long, by the database's clock: its client
    is frozen, or gone, or does not read.  That needs the same database user, as all of us are.
    """
    rows = connection.execute(_END_STUCK, {"seconds": older_than.total_seconds()})
    return [int(row.pid) for row in rows]


def fence(session: Session, epoch: int, step: int | None = None) -> None:
    """Hold off any other dispatcher until this transaction ends, and refresh the row.

    Args:
        step: The number, rising from 1 in an epoch, of what this transaction does, if it is tried
            again where the outcome of its commit is not known.

    Raises:
        EpochLost: another dispatcher has taken over.
        StepDone: an earlier try of the step was committed.
    """
    on_sqlite = session.get_bind().dialect.name == "sqlite"
    if step is None:
        _change(session, _REFRESH_SQLITE if on_sqlite else _REFRESH_NOW, epoch)
    else:
        _change(session, _STEP_SQLITE if on_sqlite else _STEP_NOW, epoch, of_step=step)


def tell_slots_of(session: Session, slots: dict[str, Any]) -> None:
    """Keep what the live dispatcher's slots are, as plain data; the caller has fenced."""
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
    _change(session, _OF_EPOCH.values(refreshed_at=RELEASED_AT), epoch)


class Life(NamedTuple):
    """Whether a dispatcher is live, as far as one look can tell, and if not, why in words."""

    is_live: bool
    text: str = ""


def sign_of_life(session: Session) -> Life:
    """Whether the last sign of life is of now, by the database's clock.

    One that lies in the future tells nothing: the clock was set back since.  A dispatcher that
    lives gives the next within two seconds.
    """
    seen = look(session)
    if seen is None:
        return Life(False, "none has ever run: start `metaopt dispatcher` or `metaopt serve`")
    if seen.is_released:
        return Life(False, "not live: the last one has ended; start `metaopt dispatcher`")
    age = database_now(session) - seen.refreshed_at
    seconds = age.total_seconds()
    if age > STALE_AFTER:
        return Life(False, f"not live: its last sign of life is {seconds:.0f} s old")
    if age < -SKEW:
        return Life(
            False,
            f"not live: its last sign of life is {-seconds:.0f} s in the future, as if the clock "
            "was set back since",
        )
    return Life(True)


def _change(session: Session, change: Update, epoch: int, **step: int) -> None:
    """Change the row of an epoch: the first statement of each transaction of a dispatcher."""
    connection = session.connection()
    if connection.execute(change, {"of_epoch": epoch, **step}).rowcount == 1:
        return
    if step and connection.scalar(select(_ROW.c.epoch)) == epoch:
        raise StepDone(f"step {step['of_step']} of epoch {epoch} is done")
    raise EpochLost(f"epoch {epoch} is over: another dispatcher is live")


_ROW = DispatcherRow.__table__
_OF_EPOCH = update(DispatcherRow.__table__).where(  # type: ignore[arg-type]
    _ROW.c.singleton == 1, _ROW.c.epoch == bindparam("of_epoch")
)
# By the database's clock, in the same statement.
_REFRESH_NOW = _OF_EPOCH.values(refreshed_at=func.clock_timestamp())
# As SQLAlchemy writes instants; CURRENT_TIMESTAMP has whole seconds only.
_REFRESH_SQLITE = _OF_EPOCH.values(refreshed_at=func.strftime("%Y-%m-%d %H:%M:%f000", "now"))
_STEP_NOW, _STEP_SQLITE = (
    refresh.where(_ROW.c.step < bindparam("of_step")).values(step=bindparam("of_step"))
    for refresh in (_REFRESH_NOW, _REFRESH_SQLITE)
)
_END_STUCK = text("""
    SELECT DISTINCT activity.pid, pg_terminate_backend(activity.pid)
    FROM pg_locks AS held JOIN pg_stat_activity AS activity USING (pid)
    WHERE held.relation = 'mo_dispatcher'::regclass
        AND held.database = (SELECT oid FROM pg_database WHERE datname = current_database())
        AND held.granted AND held.mode IN ('RowShareLock', 'RowExclusiveLock')
        AND activity.usename = current_user AND activity.pid <> pg_backend_pid()
        AND clock_timestamp() - activity.xact_start > make_interval(secs => :seconds)
""")
