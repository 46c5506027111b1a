"""Schedules as users see and steer them; what fires them is `service.cron.runner`.

A run that is asked for is a row that waits, like one that a fire time has made: the runner takes
it from there, by the same rules.
"""

import re
from datetime import datetime
from typing import NamedTuple

from sqlalchemy.orm import Session

from service.db import schedules
from service.db.access import audit
from service.db.access.projects import project_of
from service.db.states import RunStatus
from service.db.tables import Schedule, ScheduleRun
from service.errors import ScheduleExists, ScheduleNotFound, TooManySchedules
from service.operations import pages
from service.operations.gates import resolve_gates
from service.operations.references import storable
from service.operations.warm_start import resolve_warm_start
from service.planning.warnings import warnings
from service.plugins.stored import spec_of
from service.schedules.history import Ended, control_chart
from service.schedules.plan import next_fire, planned
from service.wire.views.schedules import (
    ChartPoint,
    NewSchedule,
    RunPage,
    RunView,
    ScheduleHistory,
    SchedulePage,
    ScheduleView,
)

MOST_POINTS = 1000


class Maker(NamedTuple):
    """Who makes a schedule by a request; its studies count as theirs, for as long as it fires.

    Args:
        api_key_id: Of the API key, "" without keys.
        most_active: How many schedules that are not paused it may have made.
    """

    api_key_id: str
    most_active: int


def add_schedule(
    session: Session,
    new: NewSchedule,
    *,
    schedule_id: str,
    now: datetime,
    maker: Maker | None = None,
) -> str:
    """Add a schedule and return its id, or the id of one that is just the same already.

    Raises:
        ScheduleExists: Another one has the name.
        TooManySchedules: The maker has as many active ones as it may.
        InvalidSpec: The spec's warm start or gates name what is not there or does not fit.
    """
    earlier = schedules.find_named(session, new.name)
    if earlier is not None:
        if _definition(earlier) == new.model_dump(mode="json"):
            return earlier.schedule_id
        raise ScheduleExists(
            f"schedule {new.name} is there and differs: remove it first, or take another name"
        )
    if maker is not None:
        _check_active(session, maker)
    # Better refused now than at night.
    resolve_gates(session, resolve_warm_start(session, new.spec))
    session.add(
        Schedule(
            schedule_id=schedule_id,
            **new.model_dump(mode="json"),
            paused=False,
            version=1,
            planned_to=now,
            created_at=now,
            project=project_of(session),
            submitted_by=None if maker is None else maker.api_key_id,
        )
    )
    session.flush()
    audit.note(session, schedule_id=schedule_id, name=new.name)
    return schedule_id


def get_schedule(session: Session, schedule_id: str, *, fresh: bool = False) -> Schedule:
    """The schedule's row; with `fresh`, locked until the transaction ends.

    Raises:
        ScheduleNotFound: There is none, or the text is no id at all.
    """
    find = schedules.lock_schedule if fresh else schedules.find_schedule
    row = find(session, schedule_id) if re.fullmatch("[0-9a-f]{32}", schedule_id) else None
    if row is None:
        raise ScheduleNotFound("there is no schedule of this id")
    return row


def show_schedule(session: Session, schedule_id: str, *, now: datetime) -> ScheduleView:
    """The schedule."""
    return _views(session, [get_schedule(session, schedule_id)], now)[0]


def list_schedules(
    session: Session, *, name: str | None, cursor: str | None, limit: int, now: datetime
) -> SchedulePage:
    """A page of schedules, newest first."""
    if name is not None and not storable(name):
        return SchedulePage(items=[], next_cursor=None)
    before = pages.decode_position(cursor) if cursor else None
    rows = schedules.schedules_before(session, before, name=name, limit=limit + 1)
    page, last = pages.split_page(rows, limit)
    position = last and pages.Position(last.created_at, last.schedule_id)
    return SchedulePage(
        items=_views(session, list(page), now),
        next_cursor=pages.encode_position(position) if position else None,
    )


def list_runs(session: Session, schedule_id: str, *, cursor: str | None, limit: int) -> RunPage:
    """A page of the schedule's runs, newest first."""
    get_schedule(session, schedule_id)
    before = pages.decode_position(cursor)[0] if cursor else None
    rows = schedules.runs_before(session, schedule_id, before, limit=limit + 1)
    page, last = pages.split_page(rows, limit)
    position = last and pages.Position(last.run.fire_at, schedule_id)
    return RunPage(
        items=[_run_view(row) for row in page],
        next_cursor=pages.encode_position(position) if position else None,
    )


def show_history(session: Session, schedule_id: str, *, limit: int) -> ScheduleHistory:
    """The schedule's control chart, its newest `limit` points, oldest first."""
    schedule = get_schedule(session, schedule_id)
    spec = spec_of(schedule)
    return ScheduleHistory(
        schedule_id=schedule_id,
        name=schedule.name,
        metric=spec.metric(),
        maximize=spec.maximize(),
        time_zone=schedule.time_zone,
        points=chart(session, schedule)[-limit:],
    )


def chart(session: Session, schedule: Schedule) -> list[ChartPoint]:
    """The points of the schedule's control chart, oldest first."""
    rows = schedules.completed_studies(session, schedule.schedule_id, limit=MOST_POINTS)
    goals = spec_of(schedule).goals()
    return control_chart([Ended(*row) for row in rows], goals)


def pause_schedule(session: Session, schedule_id: str) -> None:
    """Let the schedule fire no more until it is resumed; what waits goes on waiting."""
    schedule = get_schedule(session, schedule_id, fresh=True)
    if not schedule.paused:
        audit.note(session, paused=[False, True])
        schedule.paused = True
        schedule.version += 1


def resume_schedule(
    session: Session, schedule_id: str, *, now: datetime, most_active: int | None = None
) -> None:
    """Let the schedule fire again; nothing before `now` is caught up.

    Raises:
        TooManySchedules: Whoever made it has `most_active` others by now.
    """
    schedule = get_schedule(session, schedule_id, fresh=True)
    if schedule.paused:
        if most_active is not None and schedule.submitted_by is not None:
            _check_active(session, Maker(schedule.submitted_by, most_active))
        audit.note(session, paused=[True, False])
        schedule.paused = False
        schedule.planned_to = max(planned(schedule.planned_to, now), now)
        schedule.version += 1


def remove_schedule(session: Session, schedule_id: str, *, now: datetime) -> ScheduleView:
    """Remove the schedule and its runs; return what it was.  Its studies stay."""
    schedule = get_schedule(session, schedule_id, fresh=True)
    view = _views(session, [schedule], now)[0]
    session.delete(schedule)
    audit.note(session, removed=view.name)
    return view


def run_now(session: Session, schedule_id: str, *, now: datetime) -> RunView:
    """Ask for a run of the schedule, or return the one of this very second."""
    get_schedule(session, schedule_id, fresh=True)
    fire_at = now.replace(microsecond=0)
    if schedules.find_run(session, schedule_id, fire_at) is None:
        session.add(
            ScheduleRun(
                schedule_id=schedule_id,
                fire_at=fire_at,
                manual=True,
                status=RunStatus.WAITING,
                created_at=now,
            )
        )
        session.flush()
    row = schedules.find_run(session, schedule_id, fire_at)
    assert row is not None
    return _run_view(row)


def _check_active(session: Session, maker: Maker) -> None:
    if schedules.count_active_of(session, maker.api_key_id) >= maker.most_active:
        raise TooManySchedules(
            f"{maker.most_active} schedules of this key are active, which is the most "
            "(METAOPT_SCHEDULES_PER_KEY): pause or remove some"
        )


def _definition(row: Schedule) -> dict[str, object]:
    """What was asked for, with every default that this version writes out."""
    columns = {name: getattr(row, name) for name in NewSchedule.model_fields}
    spec = spec_of(row)
    return {**columns, "spec": spec.model_dump(mode="json")}


def _views(session: Session, rows: list[Schedule], now: datetime) -> list[ScheduleView]:
    last = schedules.last_runs(session, [row.schedule_id for row in rows])
    return [_view(row, last.get(row.schedule_id), now) for row in rows]


def _view(row: Schedule, last: schedules.RunRow | None, now: datetime) -> ScheduleView:
    after, spec = max(now, planned(row.planned_to, now)), spec_of(row)
    derived = {
        "next_fire_at": None if row.paused else next_fire(row.cron, row.time_zone, after),
        "last_run": _run_view(last) if last else None,
        "spec": spec,
        "warnings": warnings(spec),
    }
    own = (name for name in ScheduleView.model_fields if name not in derived)
    return ScheduleView.model_validate({**{name: getattr(row, name) for name in own}, **derived})


def _run_view(row: schedules.RunRow) -> RunView:
    own = {name: getattr(row.run, name) for name in RunView.model_fields if name != "study_status"}
    return RunView.model_validate({**own, "study_status": row.study_status})
