"""Optuna's storage on our database: its own tables, beside ours.

Only the mirror writes through it, and Optuna Dashboard reads.  It never holds anything that our
tables do not say.
"""

from typing import Any

from optuna.storages import RDBStorage
from sqlalchemy import URL, Engine, event, inspect

from service.db.engine import BUSY_TIMEOUT_SECONDS, open_engine


def open_storage(database_url: str | URL) -> RDBStorage:
    """Return Optuna's storage on our database.

    Raises:
        RuntimeError: Its tables are not there (`metaopt db upgrade`).
    """
    engine = open_engine(database_url)
    try:
        # Optuna's own engine would make a database where there is none; and without tables
        # its refusal would leave a connection open.  It makes the table of its version last.
        if not inspect(engine).has_table("alembic_version"):
            raise RuntimeError("they are not there yet: metaopt db upgrade")
    finally:
        engine.dispose()
    url = storage_url(engine)
    if engine.dialect.name != "sqlite":
        return RDBStorage(url, engine_kwargs={"pool_pre_ping": True}, skip_table_creation=True)
    storage = RDBStorage(
        url,
        engine_kwargs={"connect_args": {"timeout": BUSY_TIMEOUT_SECONDS}},
        skip_table_creation=True,
    )
    storage.engine.dispose()  # the check of the schema connected before we could listen
    relax(storage.engine)
    return storage


def storage_url(engine: Engine) -> str:
    """An engine's URL as Optuna takes it: a text, in which it fills in what is in braces."""
    url = engine.url.render_as_string(hide_password=False)
    return url.replace("{", "{{").replace("}", "}}")


def relax(engine: Engine) -> None:
    """Let commits on SQLite not wait for the disk: a mirror lost with the power is rebuilt."""
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _relax)


def _relax(connection: Any, _record: Any) -> None:
    connection.execute("PRAGMA synchronous=NORMAL")
