"""The schema: our Alembic chain to its head, then Optuna's tables beside it, under one lock.

Both may share a database because ours have the prefix `mo_` and their own version table; either
may be made first.  The lock is an advisory one on Postgres and a locked file beside the database
on SQLite, so processes that start together wait for each other.  Each chain runs in a single
transaction: a process killed half-way leaves nothing behind.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from alembic import command
from alembic.config import Config
from optuna.storages import RDBStorage
from sqlalchemy import URL, Connection, Engine, delete, insert, inspect, text

import migrations
from metaopt.data.whole import locked
from service.db.connections.deadlines import MIGRATION
from service.db.engine import open_engine
from service.db.optuna.storage import storage_url
from service.db.schema import revisions
from service.db.tables import Base, Upgrade
from service.errors import SchemaOutdated
from service.versions import versions

LOCK_KEY = 0x6D65_7461_6F70_74  # "metaopt"
LOCK_SECONDS = 600  # for another process to finish its upgrade


def upgrade(database_url: str | URL, revision: str = "head") -> None:
    """Bring our tables to `revision` and Optuna's to its head; safe to run in many processes.

    Raises:
        SchemaOutdated: A newer version of this program has written them; nothing is changed.
    """
    engine = open_engine(database_url, MIGRATION)
    try:
        _make_file(engine)
        with _lock(engine):
            _refuse_unknown(engine)
            run(engine, partial(_upgrade, revision=revision))
            _upgrade_optuna(engine)
    finally:
        engine.dispose()


def downgrade(database_url: str | URL, revision: str) -> None:
    """Take our tables back to `revision` ("base" drops them); Optuna's stay as they are."""
    engine = open_engine(database_url, MIGRATION)
    try:
        if not revisions.is_there(engine):
            raise SchemaOutdated(revisions.NO_TABLES)
        with _lock(engine):
            _refuse_unknown(engine)
            run(engine, lambda config: command.downgrade(config, revision))
    finally:
        engine.dispose()


def _refuse_unknown(engine: Engine) -> None:
    if (fault := revisions.unknown(engine)) is not None:
        raise SchemaOutdated(fault)


def _upgrade(config: Config, revision: str) -> None:
    """Upgrade, and keep who did it, in the transaction of the caller."""
    command.upgrade(config, revision)
    connection: Connection = config.attributes["connection"]
    if not inspect(connection).has_table(Upgrade.__tablename__):  # an older revision was asked for
        return
    reached = connection.scalar(revisions.AT)
    connection.execute(delete(Upgrade).where(Upgrade.revision == reached))
    values = {"metaopt": versions()["metaopt"], "upgraded_at": datetime.now(UTC)}
    connection.execute(insert(Upgrade).values(revision=reached, **values))


def _config() -> Config:
    config = Config()
    place = str(Path(migrations.__file__).parent)
    config.set_main_option("script_location", place.replace("%", "%%"))  # it interpolates
    return config


def run(engine: Engine, step: Callable[[Config], None]) -> None:
    """Take a step of Alembic in one transaction, as SQLite needs it to rebuild tables."""
    config = _config()
    with engine.execution_options(writes=True).connect() as connection:
        _let_tables_be_rebuilt(connection)
        with connection.begin():
            config.attributes.update(connection=connection, models=Base.metadata)
            step(config)
        connection.invalidate()  # its foreign keys are off: never back to the pool


def _let_tables_be_rebuilt(connection: Connection) -> None:
    # Rebuilding a table on SQLite drops it, which would cascade to its children, and renames
    # another, which is refused while a view names the one that is gone.  The first pragma does
    # nothing inside a transaction, so they go past SQLAlchemy, which would begin one.
    if connection.dialect.name == "sqlite":
        raw = connection.connection.driver_connection
        assert raw is not None
        raw.execute("PRAGMA foreign_keys=OFF")
        raw.execute("PRAGMA legacy_alter_table=ON")


def _upgrade_optuna(engine: Engine) -> None:
    storage = RDBStorage(
        storage_url(engine),
        engine_kwargs=_optuna_engine_arguments(engine),
        skip_compatibility_check=True,
    )
    try:
        if storage.get_current_version() != storage.get_head_version():
            storage.upgrade()
    finally:
        storage.remove_session()
        storage.engine.dispose()


def _optuna_engine_arguments(engine: Engine) -> dict[str, dict[str, float]]:
    if engine.dialect.name == "sqlite":
        return {"connect_args": {"timeout": MIGRATION.lock}}
    return {}


def _make_file(engine: Engine) -> None:
    if (path := revisions.file_of(engine)) is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(0o644)


@contextmanager
def _lock(engine: Engine) -> Iterator[None]:
    if (path := revisions.file_of(engine)) is not None:
        with locked(path.with_name(f"{path.name}.lock"), seconds=LOCK_SECONDS):
            yield
        return
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text(f"SET lock_timeout = '{LOCK_SECONDS}s'"))
        connection.execute(text("SELECT pg_advisory_lock(:key)"), {"key": LOCK_KEY})
        try:
            yield
        finally:
            connection.execute(text("SELECT pg_advisory_unlock(:key)"), {"key": LOCK_KEY})
