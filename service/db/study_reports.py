"""All reports of a study: as points of curves, and page by page for an export.

Transactions belong to the caller; nothing here commits.
"""

from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import select, tuple_
from sqlalchemy.orm import Session, defer

from service.db.tables import Report, Trial


class Point(NamedTuple):
    """Score of a trial at a rung, with its 95 % interval."""

    trial_number: int
    meta_iteration: int
    score: float
    low: float
    high: float


def points_of(session: Session, study_id: str, role: str) -> list[Point]:
    """Every score of the study's trials of that role, by number and meta-iteration."""
    columns = Trial.trial_number, Report.meta_iteration, Report.score, Report.low, Report.high
    query = (
        select(*columns)
        .join(Trial, Trial.trial_id == Report.trial_id)
        .where(Trial.study_id == study_id, Trial.role == role)
        .order_by(Trial.trial_number, Report.meta_iteration)
    )
    return [Point(*row) for row in session.execute(query)]


def last_curves(
    session: Session, study_id: str, trial_numbers: Sequence[int]
) -> dict[int, list[float]]:
    """The adaptation curve of each trial's last report, by trial number."""
    query = (
        select(Trial.trial_number, Report.curve)
        .join(Report, Report.trial_id == Trial.trial_id)
        .where(Trial.study_id == study_id, Trial.trial_number.in_(trial_numbers))
        .order_by(Trial.trial_number, Report.meta_iteration)
    )
    return {number: curve for number, curve in session.execute(query)}  # the last of each stays


def reports_after(
    session: Session,
    study_id: str,
    after: tuple[int, int] | None,
    *,
    limit: int,
    with_scores: bool,
) -> list[tuple[Trial, Report]]:
    """Return (trial, report) by (trial_number, meta_iteration), from those after that place.

    Without `with_scores` the scores by task are not read.
    """
    place = tuple_(Trial.trial_number, Report.meta_iteration)
    query = (
        select(Trial, Report)
        .join(Report, Report.trial_id == Trial.trial_id)
        .where(Trial.study_id == study_id)
        .order_by(Trial.trial_number, Report.meta_iteration)
        .limit(limit)
    )
    if after is not None:
        query = query.where(place > after)
    if not with_scores:
        query = query.options(defer(Report.scores, raiseload=True))
    return [(trial, report) for trial, report in session.execute(query)]
