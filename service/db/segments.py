"""Segments: what the time of the slots went into.

Transactions belong to the caller; nothing here commits.
"""

from collections.abc import Sequence

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from service.db.tables import Segment


def add_segment(session: Session, segment: Segment) -> None:
    """Add a segment."""
    session.add(segment)


def busy_shares(session: Session, study_ids: Sequence[str]) -> dict[str, float]:
    """Return, for each of the studies that has segments, how busy its workers were.

    The share is Σ seconds / Σ (seconds + wait_seconds) over its segments: 1 means that no worker
    ever waited.  A worker that got no further segment of the study is not in it any more.
    """
    busy = func.sum(Segment.seconds)
    query = (
        select(Segment.study_id, busy, busy + func.sum(Segment.wait_seconds))
        .where(Segment.study_id.in_(study_ids))
        .group_by(Segment.study_id)
    )
    return {study_id: spent / total for study_id, spent, total in session.execute(query) if total}
