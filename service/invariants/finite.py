"""Is every number in our tables finite?  Optuna's have NaN on purpose: of them nothing is said."""

import math
from collections.abc import Iterator
from typing import Any

from sqlalchemy import JSON, Float, Table, select
from sqlalchemy.orm import Session

from service.db.columns.vectors import Vector
from service.db.tables import Base
from service.invariants.violation import Violation

MOST_ROWS = 1000  # at once


def infinite(session: Session) -> Iterator[Violation]:
    """Name each row with a number that is not."""
    for table in Base.metadata.sorted_tables:
        columns = [c for c in table.columns if isinstance(c.type, Float | JSON | Vector)]
        if columns:
            yield from _of_table(session, table, columns)


def _of_table(session: Session, table: Table, columns: list[Any]) -> Iterator[Violation]:
    key = list(table.primary_key.columns)
    found = session.execute(select(*key, *columns).execution_options(yield_per=MOST_ROWS))
    for row in found:
        for column, value in zip(columns, row[len(key) :], strict=True):
            if not is_finite(value):
                where = f"{table.name} {'/'.join(str(part) for part in row[: len(key)])}"
                yield Violation("finite", where, f"{column.name} has a number that is not finite")


def is_finite(value: Any) -> bool:
    """Whether every number in plain data is finite."""
    if isinstance(value, float):
        return math.isfinite(value)
    if isinstance(value, dict):
        return all(map(is_finite, value.values()))
    if isinstance(value, list | tuple):
        return all(map(is_finite, value))
    return True
