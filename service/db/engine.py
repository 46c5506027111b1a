"""Engines and transactions, on SQLite (default) and PostgreSQL.

Every transaction is begun, committed or rolled back at the edge by `transaction`.  On SQLite it
is BEGIN IMMEDIATE, so that a write never fails half-way on an upgraded lock, in WAL mode with
synchronous=FULL (acknowledged is durable) and a busy timeout; `reading` begins a plain one.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.orm import Session

BUSY_TIMEOUT_SECONDS = 30


def open_engine(database_url: str) -> Engine:
    """An engine for `sqlite:///path` or `postgresql://…` (psycopg 3).

    Raises:
        ValueError: another kind of URL.
    """
    url = make_url(database_url)
    if url.get_backend_name() == "sqlite":
        engine = create_engine(url, connect_args={"timeout": BUSY_TIMEOUT_SECONDS})
        event.listen(engine, "connect", _set_up_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
        return engine
    if url.get_backend_name() == "postgresql":
        url = url.set(drivername="postgresql+psycopg")
        return create_engine(url, pool_pre_ping=True)
    raise ValueError(
        f"database URL must begin with sqlite:/// or postgresql://, got {url.drivername}://"
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
    with Session(engine, expire_on_commit=False) as session:
        yield session
        session.rollback()


def _set_up_sqlite(connection: Any, _record: Any) -> None:
    # sqlite3 must not begin transactions itself: its deferred BEGIN is upgraded on the first
    # write, and an upgrade ignores the busy timeout.
    connection.isolation_level = None
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(connection: Connection) -> None:
    mode = connection.get_execution_options().get("sqlite_begin", "DEFERRED")
    connection.exec_driver_sql(f"BEGIN {mode}")
