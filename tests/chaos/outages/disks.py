"""Disks that are full, read-only or away, for real: below the database, and below checkpoints."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any

from service.database_url import sqlite_url
from service.db.engine import open_engine
from service.db.schema import migrate
from tests.chaos.outages.outages import PATIENCE, Fault, Outages, Promise
from tests.chaos.storm.storm import spec_of
from tests.fakes.clusters import cluster
from tests.fakes.disks import Disk, small_disk

TRIALS = 8
MEGABYTES = {"sqlite": 12, "postgresql": 192, "checkpoints": 4}
Work = Callable[[], None]
FULL = Promise(statuses=frozenset({200, 503, 507}))


@contextmanager
def outages_of_disks(
    kind: str, directory: Path, seconds: float, *, patience: float = PATIENCE, seed: int = 0
) -> Iterator[Outages]:
    """Yield a run on a database of a kind whose disks fail in turn, for so long each time.

    Args:
        directory: Empty.
    """
    data = directory / "data"
    data.mkdir()
    with ExitStack() as stack:
        below = stack.enter_context(small_disk(directory / "database", MEGABYTES[kind]))
        beside = stack.enter_context(small_disk(data / "checkpoints", MEGABYTES["checkpoints"]))
        url, start, check = stack.enter_context(_database(kind, below))
        engine = open_engine(url)
        stack.callback(engine.dispose)
        faults = [
            Fault("a full disk of the database", below.fill, _then(below.free, start), seconds,
                  below.fill),
            Fault("a full disk of checkpoints", beside.fill, beside.free, seconds, beside.fill),
            Fault("a read-only disk of checkpoints", beside.lock, beside.unlock, seconds),
            Fault("no disk of checkpoints", beside.hide, beside.show, seconds),
        ]  # fmt: skip

        def spec(number: int) -> dict[str, Any]:
            return spec_of(number, TRIALS, seed)

        yield Outages(engine, url, directory, spec, faults, FULL, patience=patience, seed=seed)
        check()


def check_file(path: str) -> None:
    """Check that the file of a SQLite database is whole."""
    with closing(sqlite3.connect(path)) as file:
        assert file.execute("PRAGMA integrity_check").fetchone() == ("ok",)


@contextmanager
def _database(kind: str, disk: Disk) -> Iterator[tuple[str, Work, Work]]:
    """Yield the URL of a database on a disk, what starts its server if that has ended, and what
    checks that it is whole.
    """
    if kind == "sqlite":
        path = disk.place / "metaopt.db"
        migrate.upgrade(sqlite_url(path))
        yield sqlite_url(path).render_as_string(), lambda: None, lambda: check_file(str(path))
        return
    with cluster(disk.place / "cluster") as one:
        yield one.url, one.start_if_ended, one.check


def _then(first: Work, second: Work) -> Work:
    def both() -> None:
        first()
        second()

    return both
