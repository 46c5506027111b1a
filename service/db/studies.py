"""Studies, their trials and reports: what the API reads, and the two ways it writes.

Transactions belong to the caller; nothing here commits.
"""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any, NamedTuple, cast

from sqlalchemy import CursorResult, func, select, text, tuple_, update
from sqlalchemy.orm import Session, defer

from metaopt.goals import Goals
from service.db.access.projects import within
from service.db.roles import roles_where
from service.db.states import TERMINAL_STUDIES, StudyStatus
from service.db.tables import Delivery, DispatcherRow, Report, ScheduleRun, Study, Trial


class Count(NamedTuple):
    """How many trials of a study's branch have a role and a status, and their extreme scores."""

    study_id: str
    role: str
    branch: str
    status: str
    trials: int
    lowest: float | None
    highest: float | None

    def best(self, goals: Goals) -> float | None:
        """The score of the least loss; None where no trial has one."""
        scores = [score for score in (self.lowest, self.highest) if score is not None]
        return min(scores, key=goals.loss, default=None)


class InLine(NamedTuple):
    """A study that runs or is queued, and its place: the older one begins first."""

    created_at: datetime
    study_id: str
    name: str
    status: str
    project: str


_PLACE = Study.created_at, Study.study_id
_IN_LINE = Study.created_at, Study.study_id, Study.name, Study.status, Study.project


def running_studies(session: Session) -> list[InLine]:
    """The studies that run, oldest first."""
    query = select(*_IN_LINE).where(Study.status == StudyStatus.RUNNING).order_by(*_PLACE)
    return [InLine(*row) for row in session.execute(query)]


def first_queued(session: Session, *, limit: int) -> list[InLine]:
    """The studies that begin next."""
    query = select(*_IN_LINE).where(Study.status == StudyStatus.QUEUED).order_by(*_PLACE)
    return [InLine(*row) for row in session.execute(query.limit(limit))]


def count_queued(session: Session, before: tuple[datetime, str]) -> int:
    """How many studies are queued before the position (created_at, study_id)."""
    query = select(func.count()).where(Study.status == StudyStatus.QUEUED, tuple_(*_PLACE) < before)
    return session.scalar(query) or 0


def count_queued_by(session: Session, api_key_id: str) -> int:
    """How many studies are queued that an API key has submitted, whatever their project."""
    queued = Study.status == text("'queued'")  # in the words of the index
    query = select(func.count()).where(queued, Study.submitted_by == api_key_id)
    with within(session, None):
        return session.scalar(query) or 0


def queued_between(
    session: Session, before: tuple[datetime, str], newest: tuple[datetime, str]
) -> list[str]:
    """The queued studies from one position to another, both included, oldest first."""
    query = (
        select(Study.study_id)
        .where(Study.status == StudyStatus.QUEUED)
        .where(tuple_(*_PLACE) >= before, tuple_(*_PLACE) <= newest)
        .order_by(*_PLACE)
    )
    return list(session.scalars(query))


_NOT_ENDED = tuple(status for status in StudyStatus if status not in TERMINAL_STUDIES)


def studies_on(session: Session, dataset: str) -> list[InLine]:
    """The studies that have not ended whose tasks are on a data set, oldest first.

    Args:
        dataset: As specs name it, `sha256:` and its digest.
    """
    query = (
        select(Study.created_at, Study.study_id, Study.name, Study.status, Study.project)
        .where(Study.status.in_(_NOT_ENDED))
        .where(Study.spec["tasks"]["dataset"].as_string() == dataset)
    )  # few: in an order that is asked for, all studies of the project would be read
    return sorted(InLine(*row) for row in session.execute(query))


def plugins_at_work(session: Session) -> list[tuple[InLine, list[dict[str, Any]]]]:
    """What those of the studies that run or are queued need of plug-ins, where it is anything."""
    query = select(*_IN_LINE, Study.plugins).where(
        Study.status.in_((StudyStatus.RUNNING, StudyStatus.QUEUED)), Study.plugins.is_not(None)
    )
    return [(InLine(*row[:-1]), row[-1] or []) for row in session.execute(query)]


def requiring_at_work(session: Session) -> list[tuple[InLine, dict[str, Any]]]:
    """What those of the studies that run or are queued require of slots, where it is anything."""
    query = select(*_IN_LINE, Study.requires).where(
        Study.status.in_((StudyStatus.RUNNING, StudyStatus.QUEUED)), Study.requires.is_not(None)
    )
    return [(InLine(*row[:-1]), row[-1] or {}) for row in session.execute(query)]


def specs_of(session: Session, study_ids: Sequence[str]) -> dict[str, dict[str, Any]]:
    """The specs of these studies as they are stored."""
    query = select(Study.study_id, Study.spec).where(Study.study_id.in_(study_ids))
    return {study_id: spec for study_id, spec in session.execute(query)}


def find_study(session: Session, study_id: str) -> Study | None:
    """The study, or None."""
    return session.get(Study, study_id)


_NEWEST_FIRST = Study.created_at.desc(), Study.study_id.desc()


def studies_named(session: Session, name: str, *, limit: int) -> Sequence[Study]:
    """The studies of that name, newest first."""
    query = select(Study).where(Study.name == name).order_by(*_NEWEST_FIRST).limit(limit)
    return session.scalars(query).all()


def studies_beginning(session: Session, digits: str, *, limit: int) -> Sequence[Study]:
    """The studies whose ids begin with these hexadecimal digits, newest first.

    Those few ids first, by their key, of whichever project: a database that is asked for the
    project and the ids at once may look through all studies of the project.
    """
    begins = Study.study_id.between(digits.ljust(32, "0"), digits.ljust(32, "f"))
    with within(session, None):
        ids = session.scalars(select(Study.study_id).where(begins)).all()
    query = select(Study).where(Study.study_id.in_(ids)).order_by(*_NEWEST_FIRST).limit(limit)
    return session.scalars(query).all()


def recent_names(session: Session, limit: int) -> Sequence[str]:
    """The names of the newest studies."""
    return session.scalars(select(Study.name).order_by(*_NEWEST_FIRST).limit(limit)).all()


def studies_before(
    session: Session,
    before: tuple[datetime, str] | None,
    *,
    status: str | None,
    limit: int,
) -> Sequence[Study]:
    """Return studies, newest first, that are older than the position (created_at, study_id).

    Their results, of which a list shows nothing, are not read.
    """
    no_result = defer(Study.result, raiseload=True)
    query = select(Study).options(no_result).order_by(*_NEWEST_FIRST).limit(limit)
    if status is not None:
        query = query.where(Study.status == status)
    if before is not None:
        query = query.where(tuple_(Study.created_at, Study.study_id) < before)
    return session.scalars(query).all()


def looks_at(session: Session, banks: Collection[str]) -> dict[str, int]:
    """How often any study has scored a trial on these sealed banks."""
    query = (
        select(Study.sealed_bank, func.sum(Study.sealed_looks))
        .where(Study.sealed_bank.in_(banks), Study.sealed_looks > 0)
        .group_by(Study.sealed_bank)
    )
    return {bank: int(looks) for bank, looks in session.execute(query) if bank is not None}


def gate_looks_at(session: Session, bank: str) -> int:
    """How often any study has scored a trial on the gate bank beside this sealed bank."""
    query = (
        select(func.count())
        .select_from(Trial)
        .join(Study, Study.study_id == Trial.study_id)
        .where(Study.sealed_bank == bank, Trial.role.in_(roles_where(bank="gates")))
        .where(Trial.score.is_not(None))
    )
    return session.scalar(query) or 0


def count_trials(session: Session, study_ids: Sequence[str]) -> list[Count]:
    """The trials of these studies, counted by branch, role and status."""
    place = Trial.study_id, Trial.role, Trial.branch, Trial.status  # as in the index: no rows read
    query = (
        select(*place, func.count(), func.min(Trial.score), func.max(Trial.score))
        .where(Trial.study_id.in_(study_ids))
        .group_by(*place)
    )
    return [Count(*row) for row in session.execute(query)]


def count_by_status(
    session: Session, table: type[Study | Trial | ScheduleRun | Delivery]
) -> dict[str, int]:
    """How many rows there are of each status that occurs, for metrics."""
    query = select(table.status, func.count()).group_by(table.status)
    return {status: count for status, count in session.execute(query)}


def trials_after(
    session: Session,
    study_id: str,
    after: int | None,
    *,
    status: str | None,
    role: str | None,
    limit: int,
) -> Sequence[Trial]:
    """Return trials of the study by number, from the one after `after`."""
    query = select(Trial).where(Trial.study_id == study_id).order_by(Trial.trial_number)
    if after is not None:
        query = query.where(Trial.trial_number > after)
    if status is not None:
        query = query.where(Trial.status == status)
    if role is not None:
        query = query.where(Trial.role == role)
    return session.scalars(query.limit(limit)).all()


def find_trial(session: Session, study_id: str, trial_number: int) -> Trial | None:
    """The trial of that number, or None."""
    return session.scalar(
        select(Trial).where(Trial.study_id == study_id, Trial.trial_number == trial_number)
    )


def reports_after(
    session: Session, trial_id: str, after: int | None, *, limit: int
) -> Sequence[Report]:
    """The trial's reports by meta-iteration, from the one after `after`."""
    query = select(Report).where(Report.trial_id == trial_id).order_by(Report.meta_iteration)
    if after is not None:
        query = query.where(Report.meta_iteration > after)
    return session.scalars(query.limit(limit)).all()


def await_turn(session: Session) -> None:
    """Wait for a dispatcher's transaction in flight, and hold off the next until this one ends.

    The dispatcher locks this row first in each of its transactions.  So event ids of a study
    become visible in their order, which whoever resumes a stream after an id relies on.
    """
    session.execute(select(DispatcherRow.epoch).with_for_update())


def change_status(
    session: Session, study_id: str, current: str, wanted: StudyStatus, *, now: datetime
) -> bool:
    """Move the study from `current` to `wanted`; return False if it was not in `current` now."""
    values: dict[str, Any] = {"status": wanted, "version": Study.version + 1}
    if wanted == StudyStatus.CANCELLED:
        values["finished_at"] = now
    statement = (
        update(Study).where(Study.study_id == study_id, Study.status == current).values(**values)
    )
    result = cast("CursorResult[Any]", session.execute(statement))
    return result.rowcount == 1
