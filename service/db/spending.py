"""Spending: what the searches of studies have spent of their budgets.

Written by the dispatcher alone, inside its fence.  Transactions belong to the caller; nothing
here commits.
"""

from collections.abc import Sequence
from typing import Any, cast

from sqlalchemy import Table, func, select, update
from sqlalchemy.orm import Session

from service.db.roles import roles_where
from service.db.tables import Spending, Trial


def find_spending(session: Session, study_id: str) -> Spending | None:
    """Spending of the study's search; None before it has begun."""
    return session.get(Spending, study_id, populate_existing=True)


def spending_of(session: Session, study_ids: Sequence[str]) -> dict[str, Spending]:
    """Spending of the searches of these studies, those that have begun."""
    query = select(Spending).where(Spending.study_id.in_(study_ids))
    return {row.study_id: row for row in session.scalars(query)}


def save_spending(session: Session, study_id: str, sums: dict[str, float]) -> None:
    """Keep what the search has spent so far, by column."""
    _write(session, study_id, sums)


def save_end(session: Session, study_id: str, ended_by: str) -> None:
    """Keep which budget ended the search."""
    _write(session, study_id, {"ended_by": ended_by})


def trials_asked(session: Session, study_id: str) -> int:
    """How many trials the search has asked for: no budget can have fewer."""
    paid = Trial.role.in_(roles_where(paid_by_search=True))
    query = select(func.count()).where(Trial.study_id == study_id, paid)
    return session.scalar(query) or 0


def has_replicas(session: Session, study_id: str) -> bool:
    """Whether the search has begun to train its best again: it asks for no more points."""
    query = select(Trial.trial_id).where(
        Trial.study_id == study_id,
        Trial.role.in_(roles_where(bank="validation", judged_at="end")),
    )
    return session.scalar(query.limit(1)) is not None


def _write(session: Session, study_id: str, values: dict[str, Any]) -> None:
    statement = update(_TABLE).where(_TABLE.c.study_id == study_id).values(**values)
    if session.connection().execute(statement).rowcount == 0:
        session.add(Spending(study_id=study_id, **values))
        session.flush()


_TABLE = cast("Table", Spending.__table__)
