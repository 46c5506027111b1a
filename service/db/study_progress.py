"""Studies as the dispatcher moves them: queued to running, running to completed or failed.

Each move is a compare-and-set, because the API pauses and cancels studies at any time.
Transactions belong to the caller; nothing here commits.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, NamedTuple, cast

from sqlalchemy import CursorResult, Text, and_, bindparam, func, or_, select, text, update
from sqlalchemy import cast as cast_as
from sqlalchemy.orm import Session

from metaopt.plugins.described import Needed
from service.db.states import TERMINAL_STUDIES, StudyStatus
from service.db.tables import Study

# What a study needs as one text: of plug-ins, and of slots; null where it needs nothing.
_NEEDS_NOTHING = and_(Study.plugins.is_(None), Study.requires.is_(None))
_NEEDS = (
    func.coalesce(cast_as(Study.plugins, Text), "")
    + "|"
    + func.coalesce(cast_as(Study.requires, Text), "")
)


class Seen(NamedTuple):
    """What the dispatcher looks at: has the study moved, or its budget changed?"""

    study_id: str
    status: str
    version: int


def at_work_or_next(
    session: Session, loaded: Iterable[str], lacking: Iterable[str] = ()
) -> list[Seen]:
    """How every running study, the known ones and the one that waits longest stand, oldest first.

    However many are queued, it looks at one of them, and at none of those that are `lacking` what
    they need: texts of that, as `needs_of` has them, so that it is a few whatever they are of.
    """
    given = {"loaded": list(loaded), "lacking": list(lacking)}
    rows = session.connection().execute(_AT_WORK_OR_NEXT, given)
    return [Seen(*row) for row in rows]


def read_spec(session: Session, study_id: str) -> dict[str, Any]:
    """The study's spec as it is stored now."""
    spec: dict[str, Any] = session.scalars(
        select(Study.spec).where(Study.study_id == study_id)
    ).one()
    return spec


def ended_among(session: Session, study_ids: Iterable[str]) -> Sequence[str]:
    """Return those of the studies that have ended."""
    query = select(Study.study_id).where(
        Study.study_id.in_(list(study_ids)), Study.status.in_(TERMINAL_STUDIES)
    )
    return session.scalars(query).all()


def oldest_queued(session: Session, lacking: Iterable[str] = ()) -> str | None:
    """The study that waits longest and is not `lacking` what it needs, or None."""
    return session.scalar(_OLDEST_QUEUED, {"lacking": list(lacking)})


class Needs(NamedTuple):
    """What a study needs: the text that says it, None for nothing; plug-ins; and of its slots."""

    text: str | None
    plugins: list[Needed]
    requires: dict[str, Any]


def needs_of(session: Session, study_ids: Iterable[str]) -> dict[str, Needs]:
    """What each of the studies needs."""
    query = select(Study.study_id, _NEEDS, Study.plugins, Study.requires)
    rows = session.execute(query.where(Study.study_id.in_(list(study_ids))))
    return {
        study_id: Needs(
            None if plugins is None and requires is None else text,
            [Needed(**one) for one in plugins or ()],
            requires or {},
        )
        for study_id, text, plugins, requires in rows
    }


def start_study(session: Session, study_id: str, *, now: datetime) -> bool:
    """Set a queued study running; return False if it is no longer queued."""
    moved = _move(session, study_id, StudyStatus.QUEUED, {"status": StudyStatus.RUNNING})
    if moved:
        study = session.get_one(Study, study_id, populate_existing=True)
        study.started_at = study.started_at or now
    return moved


def begin_verdict(session: Session, study_id: str, *, version: int) -> bool:
    """Begin the verdict.

    Return False if the study is no longer running, or no longer at `version`: somebody may just
    have given its search more budget.
    """
    return _move(session, study_id, StudyStatus.RUNNING, {}, version=version)


def begin_replicas(session: Session, study_id: str, *, version: int) -> bool:
    """Begin to train trials again; return False as `begin_verdict` does."""
    return _move(session, study_id, StudyStatus.RUNNING, {}, version=version)


def begin_gates(session: Session, study_id: str, *, version: int) -> bool:
    """Begin to train, or to look again at, what gates compare; return False as `begin_verdict`."""
    return _move(session, study_id, StudyStatus.RUNNING, {}, version=version)


def end_search(session: Session, study_id: str, *, version: int) -> bool:
    """Make the end of the search a new version; return False as `begin_verdict` does."""
    return _move(session, study_id, StudyStatus.RUNNING, {}, version=version)


def count_look(session: Session, study_id: str) -> None:
    """Count that a trained trial was scored on the study's sealed tasks."""
    session.execute(
        update(Study)
        .where(Study.study_id == study_id)
        .values(sealed_looks=Study.sealed_looks + 1)
        .execution_options(synchronize_session=False)
    )


def add_warning(session: Session, study_id: str, warning: str) -> bool:
    """Keep a warning of the study; return False if it is there already."""
    study = session.get_one(Study, study_id, populate_existing=True)
    before = study.warnings or []
    if warning in before:
        return False
    study.warnings = [*before, warning]
    session.flush()
    return True


def complete_study(session: Session, study_id: str, *, now: datetime) -> bool:
    """Complete a running study; return False if it is no longer running."""
    values = {"status": StudyStatus.COMPLETED, "finished_at": now}
    return _move(session, study_id, StudyStatus.RUNNING, values)


def save_result(session: Session, study_id: str, result: dict[str, Any]) -> None:
    """Keep the result of a study that has just been completed."""
    session.execute(
        update(Study)
        .where(Study.study_id == study_id)
        .values(result=result)
        .execution_options(synchronize_session=False)
    )


def fail_study(
    session: Session,
    study_id: str,
    error: str,
    *,
    result: dict[str, Any] | None = None,
    now: datetime,
) -> bool:
    """Fail a running study; return False if it is no longer running."""
    values: dict[str, Any] = {"status": StudyStatus.FAILED, "error": error, "finished_at": now}
    if result is not None:
        values["result"] = result
    return _move(session, study_id, StudyStatus.RUNNING, values)


def _move(
    session: Session,
    study_id: str,
    current: StudyStatus,
    values: dict[str, Any],
    *,
    version: int | None = None,
) -> bool:
    statement = (
        update(Study)
        .where(Study.study_id == study_id, Study.status == current)
        .values(version=Study.version + 1, **values)
        .execution_options(synchronize_session=False)
    )
    if version is not None:
        statement = statement.where(Study.version == version)
    return cast("CursorResult[Any]", session.execute(statement)).rowcount == 1


# As text, as in the index of queued studies: a parameter that is compared with a column of which an
# index has some rows only has SQLite prepare the statement anew whenever it is executed.
_RUNNING = Study.status == text(f"'{StudyStatus.RUNNING}'")
_QUEUED = Study.status == text(f"'{StudyStatus.QUEUED}'")
_NOT_LACKING = or_(_NEEDS_NOTHING, _NEEDS.not_in(bindparam("lacking", expanding=True)))
_OLDEST_QUEUED = (
    select(Study.study_id)
    .where(_QUEUED, _NOT_LACKING)
    .order_by(Study.created_at, Study.study_id)
    .limit(1)
)
_AT_WORK_OR_NEXT = (  # made once, since it is asked before every order
    select(Study.study_id, Study.status, Study.version)
    .where(
        or_(
            and_(_RUNNING, _NOT_LACKING),
            Study.study_id.in_(bindparam("loaded", expanding=True)),
            Study.study_id == _OLDEST_QUEUED.scalar_subquery(),
        )
    )
    .order_by(Study.created_at, Study.study_id)
)
