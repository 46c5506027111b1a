"""Schedules: add, list, show, pause, resume, run now, remove; their runs and control charts."""

import uuid
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response
from sqlalchemy.exc import IntegrityError

from service.api.bodies.body import parse_body, read_body
from service.api.context import Context, Ctx
from service.api.openapi import PROBLEMS, SCHEDULE_BODY
from service.api.problems import RETRY_SECONDS
from service.api.specs import incoming_spec
from service.api.studies import Cursor, Limit, link_next
from service.auth.policy import READ, SUBMIT
from service.operations import schedules
from service.report.figures.control import control_figure
from service.wire.views.page import FigureView
from service.wire.views.schedules import (
    NewSchedule,
    RunPage,
    RunView,
    ScheduleHistory,
    SchedulePage,
    ScheduleView,
    parse_schedule,
)

PREFIX = "/api/v1/schedules"

router = APIRouter(prefix=PREFIX, tags=["schedules"], responses=PROBLEMS)


@router.post(
    "",
    dependencies=SUBMIT,
    status_code=201,
    response_model=ScheduleView,
    openapi_extra=SCHEDULE_BODY,
    operation_id="add_schedule",
)
def add(
    request: Request,
    response: Response,
    body: Annotated[bytes, Depends(read_body)],
    context: Ctx,
) -> ScheduleView:
    """Add a schedule; adding the very same again changes nothing."""
    data = parse_body(body, request.headers.get("content-type", ""))
    with context.staying():
        new = parse_schedule(data, lambda spec: incoming_spec(context, spec))
        schedule_id = _add(context, new)
    response.headers["Location"] = f"{PREFIX}/{schedule_id}"
    return _show(context, schedule_id, response)


@router.get("", dependencies=READ, response_model=SchedulePage, operation_id="list_schedules")
def list_schedules(
    request: Request,
    response: Response,
    context: Ctx,
    name: Annotated[str | None, Query(max_length=64, description="Only the one named so.")] = None,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> SchedulePage:
    """Return schedules, newest first."""
    with context.reading() as session:
        page = schedules.list_schedules(
            session, name=name, cursor=cursor, limit=limit, now=context.now()
        )
    link_next(request, response, page.next_cursor)
    return page


@router.get(
    "/{schedule_id}", dependencies=READ, response_model=ScheduleView, operation_id="get_schedule"
)
def show(schedule_id: str, response: Response, context: Ctx) -> ScheduleView:
    """Return a schedule with its next fire time and its last run."""
    return _show(context, schedule_id, response)


@router.delete(
    "/{schedule_id}",
    dependencies=SUBMIT,
    response_model=ScheduleView,
    operation_id="remove_schedule",
)
def remove(schedule_id: str, context: Ctx) -> ScheduleView:
    """Remove a schedule with the list of its runs; its studies stay, and go on."""
    with context.changing() as session:
        return schedules.remove_schedule(session, schedule_id, now=context.now())


@router.post(
    "/{schedule_id}:pause",
    dependencies=SUBMIT,
    response_model=ScheduleView,
    operation_id="pause_schedule",
)
def pause_schedule(schedule_id: str, response: Response, context: Ctx) -> ScheduleView:
    """Let a schedule fire no more until it is resumed."""
    with context.changing() as session:
        schedules.pause_schedule(session, schedule_id)
    return _show(context, schedule_id, response)


@router.post(
    "/{schedule_id}:resume",
    dependencies=SUBMIT,
    response_model=ScheduleView,
    operation_id="resume_schedule",
)
def resume(schedule_id: str, response: Response, context: Ctx) -> ScheduleView:
    """Let a paused schedule fire again; what it did not fire meanwhile is not caught up."""
    with context.changing() as session:
        most = context.schedules_per_key
        schedules.resume_schedule(session, schedule_id, now=context.now(), most_active=most)
    return _show(context, schedule_id, response)


@router.post(
    "/{schedule_id}:run-now",
    dependencies=SUBMIT,
    status_code=202,
    response_model=RunView,
    operation_id="run_schedule_now",
)
def run_now(schedule_id: str, response: Response, context: Ctx) -> RunView:
    """Ask for a run beside the fire times; the dispatcher submits its study within seconds."""
    with context.changing() as session:
        run = schedules.run_now(session, schedule_id, now=context.now())
    response.headers["Retry-After"] = RETRY_SECONDS
    return run


@router.get(
    "/{schedule_id}/runs", dependencies=READ, response_model=RunPage, operation_id="list_runs"
)
def list_runs(
    request: Request,
    response: Response,
    schedule_id: str,
    context: Ctx,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> RunPage:
    """Runs of the schedule, newest first: each fire time and its study or reason."""
    with context.reading() as session:
        page = schedules.list_runs(session, schedule_id, cursor=cursor, limit=limit)
    link_next(request, response, page.next_cursor)
    return page


@router.get(
    "/{schedule_id}/history",
    dependencies=READ,
    response_model=ScheduleHistory,
    operation_id="get_history",
)
def show_history(schedule_id: str, context: Ctx, limit: Limit = 100) -> ScheduleHistory:
    """Return the schedule's control chart: its newest completed studies, oldest first."""
    with context.reading() as session:
        return schedules.show_history(session, schedule_id, limit=limit)


@router.get(
    "/{schedule_id}/chart",
    dependencies=READ,
    response_model=FigureView | None,
    include_in_schema=False,
)
def show_chart(schedule_id: str, context: Ctx, limit: Limit = 100) -> FigureView | None:
    """Return the control chart as our own page draws it; null before there is anything to draw."""
    with context.reading() as session:
        figure = control_figure(schedules.show_history(session, schedule_id, limit=limit))
    return FigureView(data=figure.data, layout=figure.layout) if figure else None


def _show(context: Context, schedule_id: str, response: Response) -> ScheduleView:
    with context.reading() as session:
        view = schedules.show_schedule(session, schedule_id, now=context.now())
    response.headers["ETag"] = f'"{view.version}"'
    return view


def _add(context: Context, new: NewSchedule) -> str:
    maker = schedules.Maker(context.who.api_key_id, context.schedules_per_key)

    def attempt() -> str:
        with context.changing() as session:
            return schedules.add_schedule(
                session, new, schedule_id=uuid.uuid4().hex, now=context.now(), maker=maker
            )

    try:
        return attempt()
    except IntegrityError:  # the name was taken at the same moment: now it is there to find
        return attempt()
