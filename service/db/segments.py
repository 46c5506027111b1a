"""Segments: what the time of the slots went into.

Transactions belong to the caller; nothing here commits.
"""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import BigInteger, cast, func, select
from sqlalchemy.orm import Session

from service.db.roles import TrialRole
from service.db.tables import Segment


class Pace(NamedTuple):
    """What the segments of one signature took together.

    `lane_by_lane` is why the last of them trained its lanes one after the other, empty if they were
    one program, None if it does not say.
    """

    segments: int
    seconds: float
    lane_iterations: int
    lane_by_lane: str | None = None


def paces(session: Session, signatures: Collection[str], role: str) -> dict[str, Pace]:
    """Pace of all segments of a role, by signature; those without a segment are left out."""
    trained = func.sum(cast(Segment.lanes, BigInteger) * Segment.meta_iterations)
    last = func.max(Segment.segment_id)
    query = (
        select(Segment.signature, func.count(), func.sum(Segment.seconds), trained, last)
        .where(Segment.signature.in_(signatures), Segment.role == role)
        .where(Segment.meta_iterations > 0)  # others wait for their program
        .group_by(Segment.signature)
    )
    found = session.execute(query).all()
    told = select(Segment.segment_id, Segment.lane_by_lane).where(
        Segment.segment_id.in_([newest for *_, newest in found])
    )
    why = {segment_id: because for segment_id, because in session.execute(told)}
    return {
        signature: Pace(count, seconds, int(lane_iterations), why[newest])
        for signature, count, seconds, lane_iterations, newest in found
    }


class Evaluated(NamedTuple):
    """A segment that evaluated lanes: of which branch, how long, and how many scores it gave."""

    study_id: str
    branch: str
    seconds: float
    scored: int


def evaluations(session: Session, signatures: Collection[str], *, limit: int) -> list[Evaluated]:
    """The newest segments with these signatures that evaluated lanes, of whichever project."""
    scored = func.coalesce(Segment.scored, 0)
    query = (
        select(Segment.study_id, Segment.branch, Segment.evaluate_seconds, scored)
        .where(Segment.signature.in_(signatures), Segment.scored > 0)
        .order_by(Segment.segment_id.desc())
        .limit(limit)
    )
    return [Evaluated(*row) for row in session.execute(query)]


class SegmentTimes(NamedTuple):
    """What a segment's time went into: seconds, and when it was ordered and reported."""

    slot: str
    role: str
    branch: str
    program: str
    started_at: datetime
    ended_at: datetime
    seconds: float
    train_seconds: float
    evaluate_seconds: float
    sample_share: float | None

    @property
    def fresh(self) -> bool:
        """Whether it trains for the verdict."""
        return self.role == TrialRole.VERDICT


def times_of(session: Session, study_id: str) -> list[SegmentTimes]:
    """What the time of a study's segments went into, by slot and then in their order."""
    columns = [getattr(Segment, name) for name in SegmentTimes._fields]
    query = select(*columns).where(Segment.study_id == study_id)
    rows = session.execute(query.order_by(Segment.slot, Segment.segment_id))
    return [SegmentTimes(*row) for row in rows]


def devices_of(session: Session, study_id: str) -> list[str]:
    """The devices that a study's segments ran on, in words."""
    query = select(Segment.device).where(Segment.study_id == study_id).distinct()
    return sorted(session.scalars(query))


def busy_shares(session: Session, study_ids: Sequence[str]) -> dict[str, float]:
    """Return, for each of the studies that has segments, how busy its slots were.

    The share is Σ seconds / Σ slot_seconds over its segments: 1 means that every slot that no other
    study had was in a segment all the time, from the study's start to its latest report.
    """
    busy = func.sum(Segment.seconds)
    query = (
        select(Segment.study_id, busy, func.sum(Segment.slot_seconds))
        .where(Segment.study_id.in_(study_ids))
        .group_by(Segment.study_id)
    )
    return {
        study_id: min(1.0, spent / total)  # slots that move between studies: known at reports only
        for study_id, spent, total in session.execute(query)
        if total
    }
