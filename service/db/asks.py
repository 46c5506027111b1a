"""The log of asks and tells, from which a branch's search is rebuilt.

Transactions belong to the caller; nothing here commits.
"""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from service.db.tables import Ask

RANDOM = "random"
"""Outcome of an ask whose sampler had failed."""


def log_ask(
    session: Session,
    study_id: str,
    branch: str,
    sequence: int,
    *,
    trial_number: int,
    params: dict[str, Any],
    random: bool = False,
) -> None:
    """Append an ask: what the sampler suggested for the trial, or, once it has failed, what was
    drawn at random.
    """
    session.add(
        Ask(
            study_id=study_id,
            branch=branch,
            sequence=sequence,
            kind="ask",
            trial_number=trial_number,
            params=params,
            outcome=RANDOM if random else None,
        )
    )


def log_tell(
    session: Session,
    study_id: str,
    branch: str,
    sequence: int,
    *,
    trial_number: int,
    outcome: str,
    value: float | None,
    meta_iteration: int | None,
    metrics: dict[str, float] | None = None,
) -> None:
    """Append a tell: how the trial ended."""
    session.add(
        Ask(
            study_id=study_id,
            branch=branch,
            sequence=sequence,
            kind="tell",
            trial_number=trial_number,
            outcome=outcome,
            value=value,
            meta_iteration=meta_iteration,
            metrics=metrics,
        )
    )


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
