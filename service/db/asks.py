"""The log of asks and tells, from which a branch's search is rebuilt.

Transactions belong to the caller; nothing here commits.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

from sqlalchemy import select
from sqlalchemy.orm import Session

from service.db.tables import Ask

RANDOM = "random"
"""Outcome of an ask whose sampler had failed."""


class Logged(NamedTuple):
    """An ask or a tell of a branch's log."""

    sequence: int
    kind: str
    trial_number: int
    params: dict[str, Any] | None
    outcome: str | None
    value: float | None
    meta_iteration: int | None
    metrics: dict[str, Any] | None


def log_of(session: Session, study_id: str) -> dict[str, list[Logged]]:
    """The study's log by branch, each in its order."""
    columns = (getattr(Ask, name) for name in Logged._fields)
    query = select(Ask.branch, *columns).where(Ask.study_id == study_id)
    log: dict[str, list[Logged]] = {}
    for branch, *row in session.execute(query.order_by(Ask.branch, Ask.sequence)):
        log.setdefault(branch, []).append(Logged(*row))
    return log


def asks_after(
    session: Session, study_id: str, branch: str, after: int | None, *, limit: int
) -> Sequence[Ask]:
    """A branch's log in its order, from the entry after `after`."""
    query = select(Ask).where(Ask.study_id == study_id, Ask.branch == branch)
    if after is not None:
        query = query.where(Ask.sequence > after)
    return session.scalars(query.order_by(Ask.sequence).limit(limit)).all()
