"""Attributes of studies in Optuna's own tables, many at a time.

The rows are the ones that its storage would write, in a transaction for each.  Transactions belong
to the caller; nothing here commits.
"""

import json
from collections.abc import Mapping
from typing import Any

from sqlalchemy import Column, Integer, MetaData, Table, Text, delete, insert
from sqlalchemy.orm import Session

_OPTUNA = MetaData()
_user, _system = (
    Table(
        name,
        _OPTUNA,
        Column("study_id", Integer),
        Column("key", Text),
        Column("value_json", Text),
    )
    for name in ("study_user_attributes", "study_system_attributes")
)


def set_study_attributes(
    session: Session,
    optuna_study_id: int,
    *,
    user: Mapping[str, Any] = {},  # noqa: B006  # it is only read
    system: Mapping[str, Any] = {},  # noqa: B006
) -> None:
    """Set attributes of a study; those that are there under the same names are replaced."""
    for table, attributes in ((_user, user), (_system, system)):
        if not attributes:
            continue
        there = table.c.study_id == optuna_study_id, table.c.key.in_(attributes)
        session.execute(delete(table).where(*there))
        rows = [
            {"study_id": optuna_study_id, "key": key, "value_json": json.dumps(value)}
            for key, value in attributes.items()
        ]
        session.connection().execute(insert(table), rows)
