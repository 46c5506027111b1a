"""Steps: what the dispatcher reads and writes, tried again for as long as the database is away.

    step n ──fence: the epoch is ours, n is new──▶ rows ──commit──▶ done
     ▲ │                   │                                         ▲
     │ │                   └──n is in the row: an earlier try was    │
     │ │                      committed, and its answer was lost ────┘
     │ └──the database is away, locked or full──┐
     └──────────────a moment later──────────────┘     after OUTAGE_SECONDS it is raised

The dispatcher's loop stands still meanwhile.  Workers train on; their reports wait on their
futures, and the one in hand is the step that is tried again.  So nothing is begun that no row
knows of, nothing reported is dropped, and nothing is written twice: the fence takes the row's lock,
so a try whose commit is still under way on the server is waited for before it is asked about.
"""

import itertools
import time
from collections.abc import Callable
from threading import Event as Flag
from typing import TypeVar

import structlog
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from service.db.connections.failures import in_words, is_away
from service.db.dispatcher import StepDone, fence
from service.db.engine import reading, transaction

OUTAGE_SECONDS = 600.0
"""Longest outage that is waited for: a failover or a restart takes seconds to minutes.  Workers of
a machine whose database stays away hold its devices for nobody."""

LAST_SECONDS = 10.0
"""The same, once the dispatcher is to stop: whoever stops it waits for half a minute."""

RETRY_SECONDS = 0.5

T = TypeVar("T")

log = structlog.get_logger("dispatcher")


class Steps:
    """The steps of one epoch; there is one of these for an epoch, in one thread.

    Args:
        engine: The database.
        epoch: Named by every write.
        stop: Set once the dispatcher is to stop.
    """

    def __init__(self, engine: Engine, epoch: int, stop: Flag | None = None) -> None:
        self._engine = engine
        self._epoch = epoch
        self._stop = stop or Flag()
        self._numbers = itertools.count(1)

    def write(self, body: Callable[[Session], T]) -> T:
        """Do `body` in a transaction in which no other dispatcher can write; return what it gave.

        It may be called more than once, so it changes nothing but rows.

        Raises:
            EpochLost: Another dispatcher is live.
            sqlalchemy.exc.SQLAlchemyError: The database stayed away for too long, or the fault is
                another.
        """
        number = next(self._numbers)
        given: list[T] = []

        def attempt() -> T:
            try:
                with transaction(self._engine) as session:
                    fence(session, self._epoch, number)
                    given[:] = [body(session)]
            except StepDone:  # by the latest try: a later one would have been told so
                pass
            return given[0]

        return self._outlast(attempt)

    def read(self, body: Callable[[Session], T]) -> T:
        """Return what `body` reads of one consistent state; it may be called more than once."""

        def attempt() -> T:
            with reading(self._engine) as session:
                return body(session)

        return self._outlast(attempt)

    def _outlast(self, attempt: Callable[[], T]) -> T:
        away_since: float | None = None
        while True:
            try:
                result = attempt()
            except SQLAlchemyError as error:
                now = time.monotonic()
                if away_since is None:
                    away_since = now
                    if is_away(error):
                        log.warning("database_away", epoch=self._epoch, cause=in_words(error))
                longest = LAST_SECONDS if self._stop.is_set() else OUTAGE_SECONDS
                if not is_away(error) or now - away_since >= longest:
                    raise
                time.sleep(RETRY_SECONDS)
                continue
            if away_since is not None:
                seconds = round(time.monotonic() - away_since, 1)
                log.info("database_back", epoch=self._epoch, seconds=seconds)
            return result
