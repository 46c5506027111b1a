"""Standing by: waiting until there is no live dispatcher, and becoming it.

    look ──released, or its process is dead──────────────────────────▶ acquire ──▶ epoch
     │ ▲                                                                 │
     │ └──the row has changed: somebody lives                            └──locked──▶ break the hold
     └──unchanged for STALE_AFTER, by our own clock──▶ acquire                        and try again

A dispatcher may stop anywhere: frozen (SIGSTOP, a hypervisor, a dead disk), or its host gone from
the network.  Outside a transaction nothing is held, and the row goes stale.  Inside one it is held:

- PostgreSQL ends the session that has locked the row, if it is told so from here; by itself it does
  after a while, where nobody stands by.
- SQLite's write lock is one of the operating system: it goes when its process does.  The processes
  of SQLite are of one host, so the one that holds it is known; it is killed if it is the stale
  dispatcher or a child of it, and nobody else ever is (`leadership.frozen`).
"""

import threading
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import structlog
from sqlalchemy import URL, Engine
from sqlalchemy.exc import DBAPIError

from service.db.connections.deadlines import STANDBY
from service.db.connections.failures import is_locked
from service.db.dispatcher import (
    STALE_AFTER,
    Sighting,
    acquire,
    end_stuck_transactions,
    look,
)
from service.db.engine import open_engine, reading, transaction
from service.dispatcher.leadership.frozen import end_holder
from service.dispatcher.leadership.holder import is_dead

POLL_SECONDS = 0.5
STUCK_AFTER = timedelta(seconds=1)  # we have waited for longer ourselves

log = structlog.get_logger("dispatcher")


class Watch:
    """Since when a row stands as it does, by a monotonic clock."""

    def __init__(
        self,
        stale_after: timedelta = STALE_AFTER,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Nothing is seen yet."""
        self._stale_seconds = stale_after.total_seconds()
        self._monotonic = monotonic
        self._seen: Sighting | None = None
        self._since = monotonic()

    def is_stale(self, seen: Sighting) -> bool:
        """Take in a look, and tell whether the row has stood like this for too long."""
        now = self._monotonic()
        if seen != self._seen:
            self._seen, self._since = seen, now
        return now - self._since >= self._stale_seconds


def stand_by(
    database_url: str | URL,
    me: str,
    stop: threading.Event,
    stale_after: timedelta = STALE_AFTER,
) -> int | None:
    """Wait until this process is the live dispatcher; return its epoch, or None once stopped.

    Args:
        database_url: As for `open_engine`.
        me: Who asks (`leadership.holder`); after a failure the row may still name this process.
        stop: Ends the wait.
        stale_after: How long the row of another must stand unchanged.

    Raises:
        sqlalchemy.exc.DBAPIError: The database failed.
    """
    engine, watch, told = open_engine(database_url, STANDBY), Watch(stale_after), False
    try:
        while not stop.is_set():
            with reading(engine) as session:
                seen = look(session)
            is_stale = seen is not None and watch.is_stale(seen)
            if seen is None or is_stale or seen.is_released or _is_over(seen.holder, me):
                epoch, broken = _try(engine, me, seen if is_stale else None)
                if epoch is not None:
                    return epoch
                if broken:
                    continue  # the way is free now
            if not told:
                told = True
                log.info("dispatcher_standing_by", holder=seen.holder if seen else None)
            stop.wait(POLL_SECONDS)
    finally:
        engine.dispose()
    return None


def _is_over(holder: str, me: str) -> bool:
    return holder == me or is_dead(holder)


def _try(engine: Engine, me: str, stale: Sighting | None) -> tuple[int | None, bool]:
    """Acquire; of a stale row, whose lock somebody holds, break the hold instead.

    Return the epoch that was acquired, if any, and whether a hold was broken.
    """
    try:
        with transaction(engine) as session:
            epoch = acquire(session, me, lambda holder: _is_over(holder, me), stale=stale)
        return epoch, False
    except DBAPIError as error:
        if stale is None or not is_locked(error):
            raise
        return None, break_hold(engine, stale)


def break_hold(engine: Engine, stale: Sighting) -> bool:
    """Free the lock that the dispatcher of a stale row holds; return whether it was its."""
    if engine.dialect.name == "sqlite":
        ended = end_holder(stale.holder, Path(str(engine.url.database)))
    else:
        with engine.begin() as connection:
            ended = end_stuck_transactions(connection, STUCK_AFTER)
    if ended:
        log.warning("hold_broken", epoch=stale.epoch, holder=stale.holder, ended=ended)
    return bool(ended)
