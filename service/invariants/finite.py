"""Is every number in our tables finite?  Optuna's have NaN on purpose: of them nothing is said."""

import math
from collections.abc import Iterator
from functools import cache
from typing import Any

from sqlalchemy import JSON, Float, Select, select
from sqlalchemy.orm import Session

from service.db.columns.vectors import Vector
from service.db.tables import Base
from service.invariants.violation import Violation

MOST_ROWS = 1000  # at once


def infinite(session: Session) -> Iterator[Violation]:
    """Name each row with a number that is not."""
    for name, columns, query in _queries():
        for row in session.execute(query):
            for column, value in zip(columns, row[-len(columns) :], strict=True):
                if not is_finite(value):
                    where = f"{name} {'/'.join(str(part) for part in row[: -len(columns)])}"
                    yield Violation("finite", where, f"{column} has a number that is not finite")


@cache
def _queries() -> list[tuple[str, list[str], Select[Any]]]:
    """Of each table with numbers its name, those columns, and what reads its keys and them."""
    found = []
    for table in Base.metadata.sorted_tables:
        columns = [c for c in table.columns if isinstance(c.type, Float | JSON | Vector)]
        if columns:
            query = select(*table.primary_key.columns, *columns)
            query = query.execution_options(yield_per=MOST_ROWS)
            found.append((table.name, [column.name for column in columns], query))
    return found


def is_finite(value: Any) -> bool:
    """Whether every number in plain data is finite."""
    if isinstance(value, float):
        return math.isfinite(value)
    if isinstance(value, dict):
        return all(map(is_finite, value.values()))
    if isinstance(value, list | tuple):
        return all(map(is_finite, value))
    return True
