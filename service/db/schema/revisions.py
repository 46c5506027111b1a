"""Revisions of the schema: where our tables are, and whether this program can work with them.

    mo_alembic_version ──▶ revision ──▶ head: go on      known: `db upgrade`      else: too new

Every process asks so before it begins, so nothing here loads what upgrades (`migrate`): Alembic,
Optuna and all migrations would be a part of each start.
"""

from functools import cache
from pathlib import Path

from sqlalchemy import URL, Connection, Engine, Select, column, inspect, select, table
from sqlalchemy.orm import Session

import migrations
from service.db.engine import open_engine
from service.db.tables import Upgrade
from service.errors import SchemaOutdated
from service.versions import versions

VERSION_TABLE = "mo_alembic_version"
VERSIONS = Path(migrations.__file__).parent / "versions"

AT: Select[str] = select(column("version_num")).select_from(table(VERSION_TABLE))
"""The revision our tables are at."""

_REMEDY = "run `metaopt db upgrade`"
NO_TABLES = f"the database has no tables yet: {_REMEDY}"


def current(database_url: str | URL) -> str | None:
    """The revision our tables are at, or None where there are none."""
    engine = open_engine(database_url)
    try:
        return _revision(engine)
    finally:
        engine.dispose()


def head() -> str:
    """The newest revision this version of the program knows."""
    return max(_known())


def check(engine: Engine) -> None:
    """Return if our tables are at the head revision.

    Raises:
        SchemaOutdated: They are not; the message says what to do.
    """
    revision = _revision(engine)
    if revision == head():
        return
    if revision is None:
        raise SchemaOutdated(NO_TABLES)
    with engine.connect() as connection:
        raise SchemaOutdated(_fault(connection, revision))


def check_within(session: Session) -> None:
    """Return if our tables are at the head revision, as the session's transaction sees them.

    Raises:
        SchemaOutdated: They are not; the message says what to do.
        sqlalchemy.exc.DBAPIError: There are none.
    """
    revision = session.scalar(AT)
    if revision is None:
        raise SchemaOutdated(NO_TABLES)
    if revision != head():
        raise SchemaOutdated(_fault(session.connection(), revision))


def unknown(engine: Engine) -> str | None:
    """What to do if our tables are at a revision that this version does not know; None if not."""
    revision = _revision(engine)
    if revision is None or revision in _known():
        return None
    with engine.connect() as connection:
        return _fault(connection, revision)


def is_known(revision: str) -> bool:
    """Whether this version of the program knows a revision, and so the way from it to the head."""
    return revision in _known()


def is_there(engine: Engine) -> bool:
    """Whether there is a database at all: SQLite would make one for whoever looks."""
    path = file_of(engine)
    return path is None or path.exists()


def file_of(engine: Engine) -> Path | None:
    """The file of a SQLite database."""
    return Path(str(engine.url.database)) if engine.dialect.name == "sqlite" else None


@cache
def _known() -> frozenset[str]:
    # A file begins with its revision, and they are made one after the other (`revise`).
    return frozenset(path.name[:4] for path in VERSIONS.glob("[0-9][0-9][0-9][0-9]_*.py"))


def _fault(connection: Connection, revision: str) -> str:
    if revision in _known():
        return f"the database is at revision {revision}, needed is {head()}: {_REMEDY}"
    writer = None
    if inspect(connection).has_table(Upgrade.__tablename__):
        query = select(Upgrade.metaopt).where(Upgrade.revision == revision)
        writer = connection.scalar(query)
    written = f", written by metaopt {writer}," if writer else ","
    return (
        f"the database is at revision {revision}{written} which this version, metaopt "
        f"{versions()['metaopt']}, does not know (newest known: {head()}): run a newer version of "
        f"metaopt{f', {writer} or later' if writer else ''}, or restore a backup of before"
    )


def _revision(engine: Engine) -> str | None:
    if not is_there(engine):
        return None
    with engine.connect() as connection:
        return connection.scalar(AT) if inspect(connection).has_table(VERSION_TABLE) else None
