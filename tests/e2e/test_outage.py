"""The database is away while lanes train: workers go on, and what they report is taken in later."""

import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine, func, select

from service.db.dispatcher import look
from service.db.engine import open_engine, reading
from service.db.tables import Attempt, Segment, Trial
from service.invariants.check import Seen, check
from tests.fakes.clusters import Cluster, cluster
from tests.fakes.processes import DispatcherProcess
from tests.fakes.specs import small_spec
from tests.fakes.studies import submit
from tests.waiting import wait_until, wait_until_busy

pytestmark = pytest.mark.slow

OUTAGE_SECONDS = 15.0  # longer than a sign of life and the wait for a lock together
SEGMENT_SECONDS = 3.0
TRAINS = {
    "branches": small_spec().model_dump(mode="json")["branches"][:1],
    "pruning": {"kind": "none"},
    "budget": {"trials": 2, "meta_iterations": 1_000_000},
}
SETTINGS = {
    "METAOPT_SLOTS": "1",
    "METAOPT_COMPILE": "never",
    "METAOPT_SEGMENT_SECONDS": str(SEGMENT_SECONDS),
}

Outage = Callable[[], AbstractContextManager[None]]


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_lanes_train_on_while_somebody_else_has_locked_sqlite(
    engine: Engine, tmp_path: Path
) -> None:
    @contextmanager
    def locked() -> Iterator[None]:
        with closing(sqlite3.connect(str(engine.url.database), isolation_level=None)) as holder:
            holder.execute("BEGIN EXCLUSIVE")
            yield
            holder.execute("ROLLBACK")

    outlasted(engine, tmp_path, locked)


@pytest.mark.postgres
def test_lanes_train_on_while_postgres_is_down(tmp_path: Path) -> None:
    with cluster() as postgres:
        outlasted(open_engine(postgres.url), tmp_path, lambda: down(postgres))


@pytest.mark.postgres
def test_lanes_train_on_while_postgres_is_frozen(tmp_path: Path) -> None:
    with cluster() as postgres:
        outlasted(open_engine(postgres.url), tmp_path, lambda: frozen(postgres), told=False)


@pytest.mark.night
@pytest.mark.postgres
def test_lanes_train_on_for_a_minute_while_postgres_is_down(tmp_path: Path) -> None:
    with cluster() as postgres:
        outlasted(open_engine(postgres.url), tmp_path, lambda: down(postgres), seconds=60.0)


@contextmanager
def down(postgres: Cluster) -> Iterator[None]:
    postgres.stop()
    yield
    postgres.start()


@contextmanager
def frozen(postgres: Cluster) -> Iterator[None]:
    postgres.freeze()
    try:
        yield
    finally:
        postgres.thaw()


def outlasted(
    engine: Engine,
    tmp_path: Path,
    outage: Outage,
    *,
    seconds: float = OUTAGE_SECONDS,
    told: bool = True,
) -> None:
    """See that an outage costs a dispatcher at work nothing: no worker, no segment, no attempt.

    Args:
        told: Whether the dispatcher meets an error; for a server that stands still it only waits.
    """
    study_id = submit(engine, small_spec(**TRAINS))
    url = engine.url.render_as_string(hide_password=False)
    dispatcher = DispatcherProcess(url, tmp_path / "data", **SETTINGS)
    try:
        wait_until(lambda: segments(engine) > 1, 60, what="segments")
        workers = dispatcher.workers()
        wait_until_busy(workers[0])  # in the middle of the next
        with outage():
            begun = datetime.now(UTC)
            threading.Event().wait(seconds)
        if told:
            wait_until(
                lambda: "database_back" in dispatcher.log(), 30, what="the database's return"
            )
        over = datetime.now(UTC)
        assert over - begun < timedelta(seconds=seconds + 15)
        # The segment that was ordered before the outage, and ended in it, was taken in after it.
        across = Segment.started_at < begun, Segment.ended_at > begun
        wait_until(lambda: segments(engine, *across) == 1, 30, what="the segment's report")
        then = segments(engine)
        wait_until(lambda: segments(engine) > then, 60, what="another segment")
        assert dispatcher.workers() == workers
        assert dispatcher.log().count("dispatcher_live") == 1
        assert attempts(engine) == [(1, 0, "running")] * 2
        assert dispatcher.terminate() == 0
        with reading(engine) as session:
            seen = look(session)
            assert seen is not None and seen.epoch == 1
            assert {t.attempts for t in session.scalars(select(Trial))} == {0}
        verdict = check(engine, Seen(tmp_path / "data"))
        assert verdict.violations == [] and verdict.studies == 1, study_id
    finally:
        dispatcher.close()
        engine.dispose()


def segments(engine: Engine, *where: object) -> int:
    query = select(func.count()).select_from(Segment).where(*where)  # type: ignore[arg-type]
    with reading(engine) as session:
        return int(session.scalar(query) or 0)


def attempts(engine: Engine) -> list[tuple[int, int, str]]:
    """Return each attempt's number, where it began and how it ended."""
    with reading(engine) as session:
        return [
            (a.number, a.from_meta_iteration, a.outcome) for a in session.scalars(select(Attempt))
        ]
