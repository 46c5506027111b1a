"""The dispatcher's line to its database: commits whose answer is lost, and outages."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Engine

from tests.chaos.simulation.world import Killed, World

FATES = ["lost", "unknown", "outage", "outage after", "kill", "kill after"]
OUTAGE_SECONDS = [1.0, 20.0, 60.0, 900.0]
MOST_SPARED = 3  # commits before the one that fails: the next is mostly a sign of life


class Line:
    """How the line is at the moment.

    In an outage no transaction ends well: half of them cannot begin, the other half not commit.
    """

    def __init__(self, world: World) -> None:
        self._world = world
        self._at_commit: str | None = None
        self._spared = 0
        self.away_until = 0.0

    @property
    def is_away(self) -> bool:
        """Whether there is an outage."""
        return self._world.now < self.away_until

    def doom(self) -> None:
        """One of the next commits fails, or kills the dispatcher, before or after it is made."""
        self._at_commit = self._world.chance.choice(FATES)
        self._spared = self._world.chance.randint(0, MOST_SPARED)

    @contextmanager
    def of(self, engine: Engine) -> Iterator[None]:
        """Let an engine's transactions go over it."""
        dialect: Any = engine.dialect
        begin, commit = dialect.do_begin, dialect.do_commit
        dialect.do_begin = lambda connection: self._begin(lambda: begin(connection))
        dialect.do_commit = lambda connection: self._commit(lambda: commit(connection))
        try:
            yield
        finally:
            dialect.do_begin, dialect.do_commit = begin, commit

    def _begin(self, make: Callable[[], None]) -> None:
        if self.is_away and self._world.chance.random() < 0.5:
            raise sqlite3.OperationalError("there is no connection")
        make()

    def _fate(self) -> str | None:
        if self._at_commit is None or self._spared > 0:
            self._spared -= 1
            return None
        fate, self._at_commit = self._at_commit, None
        return fate

    def _commit(self, make: Callable[[], None]) -> None:
        fate = self._fate()
        if fate is not None:
            self._world.tell(f"commit: {fate}")
        if fate is not None and fate.startswith("outage"):
            self.away_until = self._world.now + self._world.chance.choice(OUTAGE_SECONDS)
        if fate in ("lost", "outage") or (fate is None and self.is_away):
            raise sqlite3.OperationalError("the connection was closed")
        if fate == "kill":
            raise Killed
        make()
        if fate in ("unknown", "outage after"):
            raise sqlite3.OperationalError("the connection was closed")
        if fate == "kill after":
            raise Killed
