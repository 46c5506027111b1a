"""Engines and transactions, on SQLite (default) and PostgreSQL.

Every transaction is begun, committed or rolled back at the edge by `transaction`.  On SQLite it
is BEGIN IMMEDIATE, so that a write never fails half-way on an upgraded lock, in WAL mode with
synchronous=FULL (acknowledged is durable) and a busy timeout; `reading` begins a plain one.

An engine never makes a database: one that is asked for where there is none fails.  Only
`service.db.schema.migrate.upgrade` makes one.
"""

import json
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

from pydantic_core import from_json
from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.orm import Session

from service.database_url import parse_database_url

BUSY_TIMEOUT_SECONDS = 30
CACHE = (
    "cache_size=-16384"  # KiB; SQLite's own 2 MB are fewer pages than the indexes of 10,000 trials
)


def open_engine(database_url: str | URL) -> Engine:
    """An engine for `sqlite:///path` or `postgresql://…` (psycopg 3).

    Raises:
        ValueError: another kind of URL.
    """
    url = parse_database_url(database_url)
    if url.get_backend_name() == "sqlite":
        engine = create_engine(
            url, connect_args={"timeout": BUSY_TIMEOUT_SECONDS}, json_deserializer=_from_json
        )
        event.listen(engine, "do_connect", _open_existing)
        event.listen(engine, "connect", _set_up_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
        return engine
    return create_engine(
        url.set(drivername="postgresql+psycopg"), pool_pre_ping=True, json_deserializer=_from_json
    )


@contextmanager
def transaction(engine: Engine) -> Iterator[Session]:
    """Yield a session whose work is committed at the end, or rolled back on an exception."""
    with Session(
        engine.execution_options(sqlite_begin="IMMEDIATE"), expire_on_commit=False
    ) as session:
        with session.begin():
            yield session


@contextmanager
def reading(engine: Engine) -> Iterator[Session]:
    """Yield a session that reads one consistent state and writes nothing."""
    with Session(_of_one_moment(engine), expire_on_commit=False) as session:
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
    mode = connection.get_execution_options().get("sqlite_begin", "DEFERRED")
    connection.exec_driver_sql(f"BEGIN {mode}")
