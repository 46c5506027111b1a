"""Steering: cancel, pause and resume, each safe to repeat.

    cancel   queued, running, paused ─▶ cancelled
    pause    queued, running         ─▶ paused
    resume   paused                  ─▶ queued      (the dispatcher takes it from there)

The dispatcher sees the row at its next look and acts on the trials.
"""

from datetime import datetime
from typing import NamedTuple

from sqlalchemy.orm import Session

from service.db import studies
from service.db.access import audit
from service.db.events import append_event
from service.db.states import STUDY_TRANSITIONS, StudyStatus
from service.errors import TransitionImpossible
from service.operations.lookup import get_study
from service.operations.submit import Submitter, check_queue


class Move(NamedTuple):
    """What a verb does: the status it leads to, from which, and in which it has nothing to do."""

    verb: str
    wanted: StudyStatus
    sources: frozenset[StudyStatus]
    already: frozenset[StudyStatus]
    kind: str


CANCEL = Move(
    "cancelled",
    StudyStatus.CANCELLED,
    frozenset({StudyStatus.QUEUED, StudyStatus.RUNNING, StudyStatus.PAUSED}),
    frozenset({StudyStatus.CANCELLED}),
    "study_cancelled",
)
PAUSE = Move(
    "paused",
    StudyStatus.PAUSED,
    frozenset({StudyStatus.QUEUED, StudyStatus.RUNNING}),
    frozenset({StudyStatus.PAUSED}),
    "study_paused",
)
RESUME = Move(
    "resumed",
    StudyStatus.QUEUED,
    frozenset({StudyStatus.PAUSED}),
    frozenset({StudyStatus.QUEUED, StudyStatus.RUNNING}),
    "study_resumed",
)
MOVES = (CANCEL, PAUSE, RESUME)
assert all(m.wanted in STUDY_TRANSITIONS[s] for m in MOVES for s in m.sources)


def steer_study(
    session: Session, study_id: str, move: Move, *, now: datetime, most_queued: int | None = None
) -> None:
    """Move the study, or leave it where it is if it is there already.

    Args:
        most_queued: How many studies whoever submitted it may have in the queue; None is any.

    Raises:
        StudyNotFound: There is none.
        TransitionImpossible: Its status allows no such move.
        TooManyStudies: It would be in the queue again, in which there are as many.
    """
    studies.await_turn(session)
    study = get_study(session, study_id, fresh=True)
    status = StudyStatus(study.status)
    if status in move.already:
        return
    if status in RESUME.sources and move is RESUME and most_queued is not None:
        if study.submitted_by is not None:
            check_queue(session, Submitter(study.submitted_by, most_queued))
    if status not in move.sources or not studies.change_status(
        session, study_id, status, move.wanted, now=now
    ):
        allowed = ", ".join(sorted(move.sources))
        raise TransitionImpossible(
            f"a study that is {status} cannot be {move.verb}; only one that is {allowed} can"
        )
    audit.note(session, study_id=study_id, status=[status, move.wanted])
    append_event(session, study_id, move.kind, {"from": status, "to": move.wanted}, now=now)
