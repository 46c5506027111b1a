"""The log of asks and tells, from which a branch's search is rebuilt.

Transactions belong to the caller; nothing here commits.
"""

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from service.db.tables import Ask

RANDOM = "random"
"""Outcome of an ask whose sampler had failed."""


def log_of(session: Session, study_id: str) -> dict[str, list[Ask]]:
    """The study's log by branch, each in its order."""
    query = select(Ask).where(Ask.study_id == study_id).order_by(Ask.branch, Ask.sequence)
    log: dict[str, list[Ask]] = {}
    for ask in session.scalars(query):
        log.setdefault(ask.branch, []).append(ask)
    return log


def asks_after(
    session: Session, study_id: str, branch: str, after: int | None, *, limit: int
) -> Sequence[Ask]:
    """A branch's log in its order, from the entry after `after`."""
    query = select(Ask).where(Ask.study_id == study_id, Ask.branch == branch)
    if after is not None:
        query = query.where(Ask.sequence > after)
    return session.scalars(query.order_by(Ask.sequence).limit(limit)).all()
