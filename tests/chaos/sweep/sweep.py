"""The sweep: every point that a run without a crash passes, on a database of its own."""

import itertools
import random
import shutil
import sqlite3
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

from sqlalchemy import Engine, create_engine, text

from service.database_url import sqlite_url
from service.db.engine import open_engine
from service.db.schema import migrate
from tests.chaos.databases import cluster, new_database
from tests.chaos.sweep.run import REAL, TOY, Passed, Point, crash, points_of, record


class Databases:
    """New databases with all tables, as many as are asked for.

    Args:
        kind: "sqlite" or "postgresql".
        directory: For SQLite files.
    """

    def __init__(self, kind: str, directory: Path, stack: ExitStack) -> None:
        self._kind, self._directory = kind, directory
        self._numbers = itertools.count()
        if kind == "sqlite":
            migrate.upgrade(sqlite_url(directory / "template.db"))
        else:
            self._cluster = stack.enter_context(cluster())
            migrate.upgrade(new_database(self._cluster, "template_chaos"))

    @contextmanager
    def new(self) -> Iterator[Engine]:
        """Yield an engine on one more."""
        engine = open_engine(self._copy(f"chaos_{next(self._numbers)}"))
        try:
            yield engine
        finally:
            engine.dispose()

    def _copy(self, name: str) -> str:
        if self._kind == "sqlite":
            path = self._directory / f"{name}.db"
            with closing(sqlite3.connect(self._directory / "template.db")) as template:
                with closing(sqlite3.connect(path)) as copy:
                    template.backup(copy)
            return str(sqlite_url(path))
        admin = create_engine(self._cluster, isolation_level="AUTOCOMMIT")
        with admin.connect() as connection:
            connection.execute(text(f"CREATE DATABASE {name} TEMPLATE template_chaos"))
        url = admin.url.set(database=name).render_as_string(hide_password=False)
        admin.dispose()
        return url


def sweep(
    kind: str,
    *,
    jobs: int,
    sample: int | None = None,
    repeats: int = 1,
    seed: int = 0,
    most_seconds: float = 1e9,
) -> tuple[list[Passed], int]:
    """Crash at every point of a kind of database; return what came of it, and how many there are.

    Dispatchers die with workers that compute a toy objective, workers with their real one.

    Args:
        jobs: How many at a time.
        sample: Only so many of them.
        repeats: How often at each.
        seed: Of the order in which they come.
        most_seconds: Those not begun within that time are left out.
    """
    deadline = time.monotonic() + most_seconds
    directory = Path(tempfile.mkdtemp(prefix="metaopt-sweep-"))
    numbers = itertools.count()
    with ExitStack() as stack:
        databases = Databases(kind, directory, stack)

        def recorded(dispatcher: str) -> dict[str, int]:
            with databases.new() as engine:
                return record(engine, directory / f"run {next(numbers)}", dispatcher=dispatcher)

        def crashed(of: tuple[Point, str]) -> Passed | None:
            point, dispatcher = of
            if time.monotonic() > deadline:
                return None
            place = directory / f"run {next(numbers)}"
            with databases.new() as engine:
                passed = crash(engine, place, point, dispatcher=dispatcher)
            if not passed.violations:
                shutil.rmtree(place, ignore_errors=True)
            _say(passed)
            return passed

        with ThreadPoolExecutor(jobs) as pool:
            toy, real = pool.map(recorded, [TOY, REAL])
            found = [(point, TOY) for point in points_of(toy, "dispatcher")]
            found += [(point, REAL) for point in points_of(real, "worker")]
            every = found * repeats
            chosen = random.Random(seed).sample(every, sample or len(every))
            outcomes = [one for one in pool.map(crashed, chosen) if one is not None]
    if all(not one.violations for one in outcomes):
        shutil.rmtree(directory, ignore_errors=True)
    return outcomes, len(found)


def _say(passed: Passed) -> None:
    told = "died" if passed.died else "not reached"
    lines: Sequence[str] = [f"{passed.database}, {told}, {passed.seconds:.0f} s: {passed.point}"]
    print(*lines, *passed.violations, sep="\n    ", flush=True)
