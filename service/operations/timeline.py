"""The timeline of a study, from the rows of its segments."""

from datetime import datetime

from sqlalchemy.orm import Session

from service.db.segments import times_of
from service.operations.lookup import get_study
from service.report.timeline import timeline
from service.wire.views.timeline import Timeline


def read_timeline(session: Session, study_id: str, *, now: datetime) -> Timeline:
    """What the slots did for the study until its end, or till now.

    Raises:
        StudyNotFound: There is none.
    """
    study = get_study(session, study_id)
    return timeline(
        times_of(session, study_id),
        submitted_at=study.created_at,
        started_at=study.started_at,
        ended_at=study.finished_at or now,
    )
