"""The watchdog of `metaopt serve`: ends its own dispatcher once that is frozen.

    look ──its row has changed──▶ it lives             its row stood unchanged for 7 s ─▶ take the
     ▲ ▲                            │                    row's lock ──had──▶ SIGKILL
     │ └────────────────────────────┘                           └──locked──▶ break its hold
     └──row of another, or no database, or this process stood still: watch anew

It is what a standby would do, by the same patience and the same row, where there is none: whoever
supervises the dispatcher then starts another, which is live at once, since a dead holder is waited
for by nobody.  Its death costs no trial an attempt.

The row's lock is held while it is killed: so it was able to write and did not, and is not in the
middle of anything.  A database that is away, or locked by somebody else, is no fault of its.
While its row names another dispatcher (it starts, or stands by) only one thing is known of it:
whether it is stopped.

What is slow for good reason must not be killed for ever: the patience doubles with each kill that
follows another within minutes.
"""

import threading
import time
from collections.abc import Callable
from datetime import timedelta

import structlog
from sqlalchemy import URL, Engine
from sqlalchemy.exc import SQLAlchemyError

from service.db.connections.deadlines import STANDBY
from service.db.connections.failures import is_locked
from service.db.dispatcher import RELEASED_AT, STALE_AFTER, Sighting, look, still_stands
from service.db.engine import open_engine, reading, transaction
from service.dispatcher.leadership.holder import process_of
from service.dispatcher.leadership.standby import Watch, break_hold
from service.process_states import STOPPED, state_of

POLL_SECONDS = 0.5
STOOD_STILL_SECONDS = 4 * POLL_SECONDS  # between two looks: then nothing can be said of others
AT_ONCE_SECONDS = 0.5
FORGIVEN_AFTER_SECONDS = 600.0
MOST_DOUBLINGS = 5

log = structlog.get_logger("dispatcher")


class Watchdog:
    """Watches one dispatcher at a time.

    Args:
        database_url: As for `open_engine`.
        process_id: Says which process the dispatcher is at the moment, if it lives.
        kill: Ends it, if it still is that process.
        stale_after: How long its row may stand unchanged.
    """

    def __init__(
        self,
        database_url: str | URL,
        process_id: Callable[[], int | None],
        kill: Callable[[int], None],
        stale_after: timedelta = STALE_AFTER,
    ) -> None:
        """Begin with `start`."""
        self._url, self._process_id, self._kill = database_url, process_id, kill
        self._stale_after = stale_after
        self._kills = 0
        self._killed_at = self._looked_at = time.monotonic()
        self._begin_anew()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watchdog", daemon=True)

    def start(self) -> None:
        """Watch, in a thread of its own."""
        self._thread.start()

    def stop(self) -> None:
        """Kill nobody any more; returns at once."""
        self._stop.set()

    def _run(self) -> None:
        engine = open_engine(self._url, STANDBY)
        try:
            while not self._stop.wait(POLL_SECONDS):
                try:
                    self._look(engine)
                except (SQLAlchemyError, OSError):  # the dispatcher meets the same, and says so
                    self._begin_anew()
        finally:
            engine.dispose()

    def _look(self, engine: Engine) -> None:
        now, pid = time.monotonic(), self._process_id()
        if now - self._looked_at > STOOD_STILL_SECONDS:
            self._begin_anew()
        self._looked_at = now
        if now - self._killed_at > FORGIVEN_AFTER_SECONDS:
            self._kills = 0
        if pid is None:
            return
        with reading(engine) as session:
            seen = look(session)
        if seen is None or seen.is_released or process_of(seen.holder) != pid:
            self._look_at_process(pid)
        elif self._row.is_stale(seen):
            self._end(engine, seen, pid)

    def _look_at_process(self, pid: int) -> None:
        """End one that is not live, once it has been stopped for as long."""
        state = state_of(pid)
        told = Sighting(0, f"{pid} {state}", RELEASED_AT)
        if self._process.is_stale(told) and state in STOPPED:
            self._put_down(pid, "stopped")

    def _end(self, engine: Engine, seen: Sighting, pid: int) -> None:
        asked = time.monotonic()
        try:
            with transaction(engine) as session:
                stands = still_stands(session, seen)
                if time.monotonic() - asked > AT_ONCE_SECONDS:
                    self._begin_anew()  # somebody had locked it, and it may have waited as well
                elif stands and not self._stop.is_set():
                    self._put_down(pid, "no sign of life")
        except SQLAlchemyError as error:
            if not is_locked(error):
                raise
            if break_hold(engine, seen):
                self._looked_at = time.monotonic()  # its row is as stale as it was
            else:
                self._begin_anew()

    def _put_down(self, pid: int, why: str) -> None:
        log.error("dispatcher_frozen", dispatcher_pid=pid, cause=why)
        self._kill(pid)
        self._killed_at = time.monotonic()
        self._kills = min(self._kills + 1, MOST_DOUBLINGS)
        self._begin_anew()

    def _begin_anew(self) -> None:
        patience = self._stale_after * 2**self._kills
        self._row, self._process = Watch(patience), Watch(patience)
