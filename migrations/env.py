"""Alembic's entry: our tables only, in their own version table, beside Optuna's.

`service.db.schema.migrate` hands in an open connection, already in a transaction, and the models
that autogenerate compares with.  Nothing of the program is imported here: an old migration must
run whatever became of the models.
"""

from alembic import context
from sqlalchemy import MetaData

VERSION_TABLE = "mo_alembic_version"


def migrate() -> None:
    """Run what Alembic was asked for on the connection that was handed in."""
    given = context.config.attributes
    if "connection" not in given:
        raise SystemExit(
            "run `metaopt db upgrade` to migrate, "
            '`python -m service.db.schema.revise "title"` to write a migration'
        )
    models: MetaData = given["models"]

    def is_ours(name: str | None, kind: str, _parents: object) -> bool:
        # Autogenerate must not see Optuna's tables, which it would drop.
        return kind != "table" or name in models.tables

    context.configure(
        connection=given["connection"],
        target_metadata=models,
        version_table=VERSION_TABLE,
        include_name=is_ours,
        render_as_batch=True,
        transactional_ddl=True,  # true of SQLite too, since we begin the transaction ourselves
    )
    with context.begin_transaction():
        context.run_migrations()


migrate()
