"""Files that rows name: checkpoints of open studies, and data sets by their digest.

Transactions belong to the caller; nothing here commits.
"""

from typing import NamedTuple

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from service.db.states import TERMINAL_STUDIES, StudyStatus
from service.db.tables import Schedule, Study, Trial

_OPEN = [status for status in StudyStatus if status not in TERMINAL_STUDIES]


class KeptFiles(NamedTuple):
    """What a trial of a study that has not ended keeps on the disk."""

    study_id: str
    trial_number: int
    role: str
    status: str
    checkpoint: str | None
    checkpoint_sha256: str | None
    previous_checkpoint: str | None
    previous_sha256: str | None


class NamedDataSet(NamedTuple):
    """A data set as a spec names it, and who does: a study, or a schedule."""

    reference: str
    study_id: str | None = None
    ended: bool = False
    schedule_id: str | None = None


def kept_files(session: Session) -> list[KeptFiles]:
    """What trials of open studies resume from, or left for their study's end."""
    columns = (getattr(Trial, name) for name in KeptFiles._fields)
    query = (
        select(*columns)
        .join(Study, Study.study_id == Trial.study_id)
        .where(Study.status.in_(_OPEN))
        .where(or_(Trial.checkpoint.is_not(None), Trial.previous_checkpoint.is_not(None)))
        .order_by(Trial.study_id, Trial.trial_number)
    )
    return [KeptFiles(*row) for row in session.execute(query)]


def named_data_sets(session: Session) -> list[NamedDataSet]:
    """The data sets of all studies, and of schedules; once for each that names one."""
    named = Study.spec["tasks"]["dataset"].as_string()
    of_studies = select(named, Study.study_id, Study.status).where(named.is_not(None))
    named = Schedule.spec["tasks"]["dataset"].as_string()
    of_schedules = select(named, Schedule.schedule_id).where(named.is_not(None))
    return [
        *(
            NamedDataSet(reference, study_id, status in TERMINAL_STUDIES)
            for reference, study_id, status in session.execute(of_studies.order_by(Study.study_id))
        ),
        *(
            NamedDataSet(reference, schedule_id=schedule_id)
            for reference, schedule_id in session.execute(of_schedules)
        ),
    ]
