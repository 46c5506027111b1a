"""The audit log: a row for each change, written in the transaction that makes it.

What a change noted on its way (`note`) becomes part of the row; nobody can change one later, which
a trigger sees to.  Transactions belong to the caller; nothing here commits.
"""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from service.db.tables import AuditRow

CHANGED = "changed"


def note(session: Session, **changed: Any) -> None:
    """Remember what is changed, such as `status=["running", "paused"]`, for the row to come."""
    session.info.setdefault(CHANGED, {}).update(changed)


def noted(session: Session) -> dict[str, Any]:
    """What was noted."""
    return dict(session.info.get(CHANGED, {}))


def add_row(session: Session, row: AuditRow) -> None:
    """Add a row."""
    session.add(row)


def rows_before(
    session: Session, before: int | None, *, project: str | None, limit: int
) -> Sequence[AuditRow]:
    """Return rows, newest first, older than an id; of a project, or with None of all."""
    query = select(AuditRow).order_by(AuditRow.audit_id.desc()).limit(limit)
    if project is not None:
        query = query.where(AuditRow.project == project)
    if before is not None:
        query = query.where(AuditRow.audit_id < before)
    return session.scalars(query).all()
