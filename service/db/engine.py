"""Engines and transactions, on SQLite (default) and PostgreSQL.

Every transaction is begun, committed or rolled back at the edge by `transaction`.  On SQLite it
is BEGIN IMMEDIATE, so that a write never fails half-way on an upgraded lock, in WAL mode with
synchronous=FULL (acknowledged is durable) and a busy timeout; `reading` begins a plain one, which
waits for no writer.  No wait is without a bound (`service.db.connections.deadlines`).

An engine never makes a database: one that is asked for where there is none fails.  Only
`service.db.schema.migrate.upgrade` makes one.
"""

import json
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext
from pathlib import Path
from typing import Any
from urllib.parse import quote

from pydantic_core import from_json
from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm import Session

from service.database_url import parse_database_url
from service.db.connections.allowance import allowed
from service.db.connections.deadlines import PATIENT, Deadlines
from service.db.connections.outage import Outage
from service.db.connections.postgres import bound_postgres

CACHE = (
    "cache_size=-16384"  # KiB; SQLite's own 2 MB are fewer pages than the indexes of 10,000 trials
)
MOST_CONNECTIONS = 25  # of an engine, at a time
_LOOK_SECONDS = 0.003
_SOON_SECONDS = 0.1  # between two statements of which the first has waited for nothing
_LIMITED_AT = "limited_at"


def open_engine(
    database_url: str | URL,
    deadlines: Deadlines = PATIENT,
    *,
    before_writing: Callable[[Session], None] | None = None,
) -> Engine:
    """An engine for `sqlite:///path` or `postgresql://…` (psycopg 3).

    Args:
        deadlines: How long whoever uses it may wait.
        before_writing: Called first in each `transaction`, and may refuse it.

    Raises:
        ValueError: another kind of URL.
    """
    url = parse_database_url(database_url)
    on_sqlite = url.get_backend_name() == "sqlite"
    options = {
        "pool_timeout": deadlines.pool,
        "max_overflow": MOST_CONNECTIONS - 5,  # of 5 that stay
        "json_deserializer": _from_json,
        "execution_options": {
            "writers": _line(deadlines, on_sqlite),
            "deadlines": deadlines,
            "outage": Outage() if deadlines.fails_together else None,
            "before_writing": before_writing,
        },
    }
    if on_sqlite:
        engine = create_engine(url, connect_args={"timeout": deadlines.lock}, **options)
        event.listen(engine, "do_connect", _open_existing)
        event.listen(engine, "connect", _set_up_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
        return engine
    engine = create_engine(url.set(drivername="postgresql+psycopg"), **options)
    bound_postgres(engine, deadlines)
    event.listen(engine, "begin", _begin_postgres)
    if deadlines.writers is not None:
        event.listen(engine, "before_cursor_execute", _limit_again)
    return engine


@contextmanager
def transaction(engine: Engine) -> Iterator[Session]:
    """Yield a session whose work is committed at the end, or rolled back on an exception."""
    with (
        _watched(engine),
        _in_line(engine),
        Session(engine.execution_options(writes=True), expire_on_commit=False) as session,
        session.begin(),
    ):
        before_writing = engine.get_execution_options().get("before_writing")
        if before_writing is not None:
            before_writing(session)
        yield session


@contextmanager
def reading(engine: Engine) -> Iterator[Session]:
    """Yield a session that reads one consistent state and writes nothing."""
    with (
        _watched(engine),
        Session(_of_one_moment(engine), expire_on_commit=False) as session,
    ):
        yield session
        session.rollback()


def _of_one_moment(engine: Engine) -> Engine:
    """SQLite's transactions see one state anyway, PostgreSQL's by default one for each query."""
    if engine.dialect.name == "sqlite":
        return engine
    return engine.execution_options(isolation_level="REPEATABLE READ")


def snapshot(engine: Engine, path: Path) -> None:
    """Copy a SQLite database as it is at one moment to a file; others may read and write it."""
    with engine.connect() as connection, closing(sqlite3.connect(path)) as copy:
        source = connection.connection.driver_connection
        assert isinstance(source, sqlite3.Connection)
        source.backup(copy)
        copy.execute("PRAGMA journal_mode=DELETE")  # one file, whole by itself


def _from_json(text: str | bytes) -> Any:
    try:
        return from_json(text)  # twice to four times as fast as json.loads
    except ValueError:  # it takes no lone surrogates and nothing deeply nested
        return json.loads(text)


def _open_existing(
    _dialect: Any, _record: Any, arguments: list[Any], parameters: dict[str, Any]
) -> None:
    # sqlite3 makes a file that is not there, unless it is told otherwise, which only a URI can.
    arguments[0] = f"file://{quote(os.fsencode(arguments[0]))}?mode=rw"
    parameters["uri"] = True


def _set_up_sqlite(connection: Any, _record: Any) -> None:
    # sqlite3 must not begin transactions itself: its deferred BEGIN is upgraded on the first
    # write, and an upgrade ignores the busy timeout.
    connection.isolation_level = None
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", CACHE):
        connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(connection: Connection) -> None:
    options = connection.get_execution_options()
    if not options.get("writes", False):
        connection.exec_driver_sql("BEGIN DEFERRED")
        return
    seconds = allowed(options["deadlines"].lock if "deadlines" in options else PATIENT.lock)
    raw = connection.connection.driver_connection
    assert isinstance(raw, sqlite3.Connection)
    raw.execute("PRAGMA busy_timeout = 0")  # we look by ourselves
    try:
        if not _begin_to_write(raw, seconds):
            connection.exec_driver_sql("BEGIN IMMEDIATE")  # the error, as SQLAlchemy tells it
    finally:
        raw.execute(f"PRAGMA busy_timeout = {round(1000 * seconds)}")


def _begin_to_write(connection: sqlite3.Connection, seconds: float) -> bool:
    """Begin as soon as no other writes, and return whether that was in time.

    SQLite's own wait looks ever more rarely, at last ten times a second, so that among several
    busy writers the one that has waited longest comes last.
    """
    deadline = time.monotonic() + seconds
    while True:
        try:
            connection.execute("BEGIN IMMEDIATE")
            return True
        except sqlite3.OperationalError as error:
            is_busy = error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY
            if not is_busy or time.monotonic() >= deadline:
                return False
        time.sleep(_LOOK_SECONDS)


def _begin_postgres(connection: Connection) -> None:
    options = connection.get_execution_options()
    if options.get("writes", False):  # a reader may compute meanwhile: it holds nobody up
        deadlines: Deadlines = options["deadlines"]
        connection.info[_LIMITED_AT] = time.monotonic()
        connection.exec_driver_sql(
            f"SET LOCAL idle_in_transaction_session_timeout = {round(1000 * deadlines.idle)};"
            + _lock_limit(deadlines)
        )


def _limit_again(
    connection: Connection, cursor: Any, _statement: str, _parameters: Any, *_: Any
) -> None:
    """The server's limit is one of each lock: who has waited for one has less for the next."""
    options, now = connection.get_execution_options(), time.monotonic()
    if options.get("writes", False) and now - connection.info[_LIMITED_AT] > _SOON_SECONDS:
        connection.info[_LIMITED_AT] = now
        cursor.execute(_lock_limit(options["deadlines"]))


def _lock_limit(deadlines: Deadlines) -> str:
    return f"SET LOCAL lock_timeout = {max(1, round(1000 * allowed(deadlines.lock)))}"


def _line(deadlines: Deadlines, on_sqlite: bool) -> threading.BoundedSemaphore | None:
    """Where writers of this process wait: without it they would wait in all of its connections."""
    if deadlines.writers is None:
        return None
    return threading.BoundedSemaphore(1 if on_sqlite else deadlines.writers)


def _watched(engine: Engine) -> AbstractContextManager[None]:
    outage: Outage | None = engine.get_execution_options().get("outage")
    return nullcontext() if outage is None else outage.watching()


@contextmanager
def _in_line(engine: Engine) -> Iterator[None]:
    options = engine.get_execution_options()
    writers: threading.BoundedSemaphore | None = options.get("writers")
    if writers is None:
        yield
        return
    if not writers.acquire(timeout=allowed(options["deadlines"].pool)):
        raise PoolTimeout("too many others wait to write to the database")
    try:
        yield
    finally:
        writers.release()
