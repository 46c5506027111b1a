"""Rows: every one of ours, copied from one database into another, of whatever kind.

Values go through the tables' own types, so that a database of either kind takes what the other
gave.  Optuna's tables are a mirror of ours and are made again.
"""

from sqlalchemy import Connection, Engine, Integer, func, insert, select, text

from service.db.tables import Base, Upgrade

PIECE = 500
# Which program made the tables of a database is known there, and no part of what they hold.
TABLES = [table for table in Base.metadata.sorted_tables if table is not Upgrade.__table__]


def copy_rows(source: Connection, target: Connection) -> int:
    """Copy all rows, parents first; return how many.  The transaction is the caller's."""
    copied = 0
    streamed = source.execution_options(yield_per=PIECE)
    for table in TABLES:
        into = insert(table)
        for piece in streamed.execute(select(table)).mappings().partitions():
            target.execute(into, [dict(row) for row in piece])
            copied += len(piece)
        if target.dialect.name == "postgresql":
            _go_on_counting(target, table.name)
    return copied


def first_filled(engine: Engine) -> str | None:
    """A table that has rows, or None."""
    with engine.connect() as connection:
        for table in TABLES:
            if connection.execute(select(table).limit(1)).first() is not None:
                return table.name
    return None


def _go_on_counting(target: Connection, name: str) -> None:
    """Let keys that PostgreSQL counts go on after the highest."""
    table = Base.metadata.tables[name]
    counted = table.autoincrement_column
    if counted is None or not isinstance(counted.type, Integer):
        return
    sequence = target.scalar(
        text("SELECT pg_get_serial_sequence(:name, :column)"),
        {"name": name, "column": counted.name},
    )
    if sequence is not None:
        highest = target.scalar(select(func.max(counted))) or 0
        target.execute(
            text("SELECT setval(CAST(:sequence AS regclass), :next, false)"),
            {"sequence": sequence, "next": highest + 1},
        )
