"""Alembic's entry: our tables only, in their own version table, beside Optuna's.

`service.db.migrate` hands in an open connection, already in a transaction.  To write a new
revision: `alembic -x database_url=sqlite:///scratch.db revision --autogenerate -m "title"`.
"""

from alembic import context
from sqlalchemy import Connection

from service.db.engine import open_engine
from service.db.tables import Base

VERSION_TABLE = "mo_alembic_version"


def is_ours(name: str | None, kind: str, _parents: object) -> bool:
    """Keep autogenerate away from Optuna's tables, which it would drop."""
    return kind != "table" or name in Base.metadata.tables


def migrate(connection: Connection) -> None:
    """Run what Alembic was asked for on `connection`."""
    context.configure(
        connection=connection,
        target_metadata=Base.metadata,
        version_table=VERSION_TABLE,
        include_name=is_ours,
        render_as_batch=True,
        transactional_ddl=True,  # true of SQLite too, since we begin the transaction ourselves
    )
    with context.begin_transaction():
        context.run_migrations()


def open_and_migrate() -> None:
    """Serve the `alembic` command line: the URL comes from `-x database_url=`."""
    database_url = context.get_x_argument(as_dictionary=True).get("database_url")
    if database_url is None:
        raise SystemExit("give the database as: alembic -x database_url=sqlite:///path …")
    with open_engine(database_url).begin() as connection:
        migrate(connection)


_connection = context.config.attributes.get("connection")
if _connection is None:
    open_and_migrate()
else:
    migrate(_connection)
