"""Optuna's storage on our database: its own tables, beside ours.

Only the mirror writes through it, and Optuna Dashboard reads.  It never holds anything that our
tables do not say.
"""

from typing import Any

from optuna.storages import RDBStorage
from sqlalchemy import URL, Engine, event, inspect

from service.db.connections.deadlines import DISPATCHER, Deadlines
from service.db.engine import open_engine


def open_storage(database_url: str | URL, deadlines: Deadlines = DISPATCHER) -> RDBStorage:
    """Return Optuna's storage on our database.

    Args:
        deadlines: How long whoever uses it may wait.

    Raises:
        RuntimeError: Its tables are not there (`metaopt db upgrade`).
    """
    engine = open_engine(database_url, deadlines)
    try:
        # Optuna's own engine would make a database where there is none; and without tables
        # its refusal would leave a connection open.  It makes the table of its version last.
        if not inspect(engine).has_table("alembic_version"):
            raise RuntimeError("they are not there yet: metaopt db upgrade")
    finally:
        engine.dispose()
    if engine.dialect.name == "sqlite":
        arguments = {"pool_timeout": deadlines.pool, "connect_args": {"timeout": deadlines.lock}}
        storage = RDBStorage(storage_url(engine), engine_kwargs=arguments, skip_table_creation=True)
        storage.engine.dispose()  # the check of the schema connected before we could listen
        relax(storage.engine)
        return storage
    # It connects before anybody could listen, to check the schema: through connections of ours, on
    # which nothing waits without a bound.
    ours: dict[str, Any] = {"pool": engine.pool}
    return RDBStorage(storage_url(engine), engine_kwargs=ours, skip_table_creation=True)


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
