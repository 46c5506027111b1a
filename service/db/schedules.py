"""Schedules and their runs: what the API and the runner read, and what both write.

Whoever changes a schedule or its runs holds the schedule's row (`lock_schedule`) first, and a
dispatcher before that its fence.  Transactions belong to the caller; nothing here commits.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, and_, func, or_, select, tuple_
from sqlalchemy.orm import Session, aliased

from service.db.access.projects import within
from service.db.states import TERMINAL_STUDIES, Overlap, RunStatus, StudyStatus
from service.db.tables import Schedule, ScheduleRun, Study


class Clock(NamedTuple):
    """When a schedule that is not paused fires, and up to when that is planned."""

    schedule_id: str
    cron: str
    time_zone: str
    planned_to: datetime


class RunRow(NamedTuple):
    """A run, and the status of its study if it has one."""

    run: ScheduleRun
    study_status: str | None


class Completed(NamedTuple):
    """What a completed study of a schedule has found."""

    fire_at: datetime
    study_id: str
    gates: dict[str, Any] | None
    finalist: dict[str, Any] | None


def find_schedule(session: Session, schedule_id: str) -> Schedule | None:
    """The schedule, or None."""
    return session.get(Schedule, schedule_id)


def lock_schedule(session: Session, schedule_id: str) -> Schedule | None:
    """The schedule as it is now, which nobody else changes until the transaction ends."""
    return session.get(Schedule, schedule_id, with_for_update=True, populate_existing=True)


def find_named(session: Session, name: str) -> Schedule | None:
    """The schedule of that name, or None."""
    return session.scalar(select(Schedule).where(Schedule.name == name))


def schedules_on(session: Session, dataset: str) -> Sequence[str]:
    """The names of the schedules whose tasks are on a data set, `sha256:` and its digest."""
    query = (
        select(Schedule.name)
        .where(Schedule.spec["tasks"]["dataset"].as_string() == dataset)
        .order_by(Schedule.name)
    )
    return session.scalars(query).all()


def schedules_before(
    session: Session, before: tuple[datetime, str] | None, *, name: str | None, limit: int
) -> Sequence[Schedule]:
    """Return schedules, newest first, older than the position (created_at, schedule_id)."""
    query = select(Schedule).order_by(Schedule.created_at.desc(), Schedule.schedule_id.desc())
    if name is not None:
        query = query.where(Schedule.name == name)
    if before is not None:
        query = query.where(tuple_(Schedule.created_at, Schedule.schedule_id) < before)
    return session.scalars(query.limit(limit)).all()


def runs_before(
    session: Session, schedule_id: str, before: datetime | None, *, limit: int
) -> list[RunRow]:
    """Return runs of the schedule, newest first, that fired before an instant."""
    query = _runs().where(ScheduleRun.schedule_id == schedule_id)
    if before is not None:
        query = query.where(ScheduleRun.fire_at < before)
    query = query.order_by(ScheduleRun.fire_at.desc()).limit(limit)
    return [RunRow(*row) for row in session.execute(query)]


def last_runs(session: Session, schedule_ids: Sequence[str]) -> dict[str, RunRow]:
    """The newest run of each schedule that has one."""
    newest = (
        select(ScheduleRun.schedule_id, func.max(ScheduleRun.fire_at).label("fire_at"))
        .where(ScheduleRun.schedule_id.in_(schedule_ids))
        .group_by(ScheduleRun.schedule_id)
        .subquery()
    )
    here = ScheduleRun.schedule_id == newest.c.schedule_id, ScheduleRun.fire_at == newest.c.fire_at
    query = _runs().join(newest, and_(*here))
    return {row.ScheduleRun.schedule_id: RunRow(*row) for row in session.execute(query)}


def find_run(session: Session, schedule_id: str, fire_at: datetime) -> RunRow | None:
    """The run of that fire time, or None."""
    query = _runs().where(ScheduleRun.schedule_id == schedule_id, ScheduleRun.fire_at == fire_at)
    row = session.execute(query).one_or_none()
    return None if row is None else RunRow(*row)


def clocks(session: Session) -> list[Clock]:
    """Return when each schedule fires that is not paused."""
    columns = Schedule.schedule_id, Schedule.cron, Schedule.time_zone, Schedule.planned_to
    query = select(*columns).where(Schedule.paused.is_(False)).order_by(Schedule.schedule_id)
    return [Clock(*row) for row in session.execute(query)]


def count_active_of(session: Session, api_key_id: str) -> int:
    """How many schedules that are not paused an API key has made, whatever their project."""
    query = select(func.count()).where(
        Schedule.submitted_by == api_key_id, Schedule.paused.is_(False)
    )
    with within(session, None):
        return session.scalar(query) or 0


def ready(session: Session) -> set[str]:
    """The schedules with a run that waits and whose turn it may be."""
    other = aliased(ScheduleRun)
    busy = (
        select(other.fire_at)
        .join(Study, Study.study_id == other.study_id)
        .where(other.schedule_id == Schedule.schedule_id, *_under_way(other))
    )
    query = (
        select(Schedule.schedule_id)
        .join(ScheduleRun, ScheduleRun.schedule_id == Schedule.schedule_id)
        .where(_may_run(), or_(Schedule.overlap != Overlap.QUEUE, ~busy.exists()))
    )
    return set(session.scalars(query))


def waiting_runs(session: Session, schedule: Schedule) -> Sequence[ScheduleRun]:
    """The schedule's runs that wait, oldest first; while it is paused, manual ones."""
    query = (
        select(ScheduleRun)
        .join(Schedule, Schedule.schedule_id == ScheduleRun.schedule_id)
        .where(ScheduleRun.schedule_id == schedule.schedule_id, _may_run())
        .order_by(ScheduleRun.fire_at)
    )
    return session.scalars(query).all()


def open_runs(session: Session, schedule_id: str) -> Sequence[ScheduleRun]:
    """The schedule's runs whose study has not ended, oldest first."""
    query = (
        select(ScheduleRun)
        .join(Study, Study.study_id == ScheduleRun.study_id)
        .where(ScheduleRun.schedule_id == schedule_id, *_under_way(ScheduleRun))
        .order_by(ScheduleRun.fire_at)
    )
    return session.scalars(query).all()


def just_ended(session: Session) -> set[str]:
    """The schedules of runs whose study has ended without being looked at."""
    query = select(ScheduleRun.schedule_id).join(Study, Study.study_id == ScheduleRun.study_id)
    return set(session.scalars(query.where(_unseen_end())))


def see_ends(session: Session, schedule_id: str) -> set[str]:
    """Note that the ends of the schedule's studies are looked at; return those that are new."""
    query = select(ScheduleRun).join(Study, Study.study_id == ScheduleRun.study_id)
    runs = session.scalars(query.where(ScheduleRun.schedule_id == schedule_id, _unseen_end()))
    studies = set()
    for run in runs.all():
        run.ended = True
        studies.add(str(run.study_id))
    return studies


def completed_studies(session: Session, schedule_id: str, *, limit: int) -> list[Completed]:
    """The schedule's newest completed studies, oldest first."""
    query = (
        select(
            ScheduleRun.fire_at,
            Study.study_id,
            Study.result["gates"],
            Study.result["finalists"][0],
        )
        .join(Study, Study.study_id == ScheduleRun.study_id)
        .where(
            ScheduleRun.schedule_id == schedule_id,
            Study.status == StudyStatus.COMPLETED,
            Study.result.is_not(None),
        )
        .order_by(ScheduleRun.fire_at.desc())
        .limit(limit)
    )
    return [Completed(*row) for row in session.execute(query)][::-1]


def _runs() -> Any:
    return select(ScheduleRun, Study.status).outerjoin(
        Study, Study.study_id == ScheduleRun.study_id
    )


def _may_run() -> ColumnElement[bool]:
    allowed = or_(ScheduleRun.manual.is_(True), Schedule.paused.is_(False))
    return and_(ScheduleRun.status == RunStatus.WAITING, allowed)


def _under_way(run: type[ScheduleRun]) -> tuple[ColumnElement[bool], ...]:
    not_seen = run.status == RunStatus.SUBMITTED, run.ended.is_(False)  # as in the index
    return *not_seen, Study.status.not_in(TERMINAL_STUDIES)


def _unseen_end() -> ColumnElement[bool]:
    return and_(
        ScheduleRun.status == RunStatus.SUBMITTED,
        ScheduleRun.ended.is_(False),
        Study.status.in_(TERMINAL_STUDIES),
    )
