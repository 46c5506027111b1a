"""Firing: due fire times become runs, and runs become studies, in the transaction of the caller.

    due ──▶ waiting ──┬─▶ submitted, as a study      (in one transaction from due to there)
                      ├─▶ refused                    the spec's warm start or baseline is not there
                      └─▶ skipped                    the study of the run before goes on, or whoever
                                                     made the schedule has too many in the queue
    due ──▶ skipped                                  missed, and not caught up

The caller has fenced the transaction (`service.db.dispatcher`), so no other runner is at work on
the schedule; the primary keys of run and study would refuse a second one even so.
"""

from datetime import datetime

import structlog
from sqlalchemy.orm import Session

from service.db import schedules
from service.db.access.projects import within
from service.db.events import append_event
from service.db.states import CatchUp, Overlap, RunStatus, SeedPolicy
from service.db.tables import Schedule, ScheduleRun
from service.errors import ServiceError, TooManyStudies, TransitionImpossible
from service.operations.schedules import chart
from service.operations.steer import CANCEL, steer_study
from service.operations.submit import Submitter, submit_study
from service.plugins.needs import look_up
from service.schedules.history import Drift, new_drifts
from service.schedules.plan import (
    GRACE,
    Decision,
    decide,
    due,
    planned,
    run_spec,
    run_study_id,
)
from service.wire.spec.gates import parse_label
from service.wire.spec.refusals import parse_spec
from service.wire.words.instants import fire_time

log = structlog.get_logger("schedules")


def fire(
    session: Session, schedule_id: str, *, now: datetime, most_queued: int | None = None
) -> None:
    """Write the runs of the schedule that are due, and take what waits as far as it goes now.

    Args:
        most_queued: How many studies whoever made the schedule may have in the queue; None is any.
    """
    schedule = schedules.lock_schedule(session, schedule_id)
    if schedule is None:  # removed meanwhile
        return
    if not schedule.paused:
        _add_due(session, schedule, now)
    _settle(session, schedule, now, most_queued)


def look_at_ends(session: Session, schedule_id: str, *, now: datetime) -> None:
    """Look at the schedule's studies that have ended: tell of a drift that one confirms, once."""
    schedule = schedules.lock_schedule(session, schedule_id)
    if schedule is None:
        return
    ended = schedules.see_ends(session, schedule_id)
    for drift in new_drifts(chart(session, schedule)):
        if drift.point.study_id in ended:
            data = _announced(schedule, drift)
            append_event(session, drift.point.study_id, "drift_detected", data, now=now)
            log.warning("drift_detected", study_id=drift.point.study_id, **data)


def _add_due(session: Session, schedule: Schedule, now: datetime) -> None:
    schedule.planned_to = planned(schedule.planned_to, now)
    place = schedule.cron, schedule.time_zone, schedule.planned_to, now
    for firing in due(*place, CatchUp(schedule.catch_up)):
        run = session.get(ScheduleRun, (schedule.schedule_id, firing.fire_at))
        if run is not None and not firing.skipped and _was_skipped_ahead(run, now):
            run.status, run.reason, run.created_at = RunStatus.WAITING, None, now
        elif run is None:
            status = RunStatus.SKIPPED if firing.skipped else RunStatus.WAITING
            session.add(
                ScheduleRun(
                    schedule_id=schedule.schedule_id,
                    fire_at=firing.fire_at,
                    manual=False,
                    status=status,
                    reason=firing.skipped,
                    created_at=now,
                )
            )
    schedule.planned_to = max(schedule.planned_to, now)
    session.flush()


def _was_skipped_ahead(run: ScheduleRun, now: datetime) -> bool:
    """Whether it was called missed by a clock that was ahead, and has been set back since."""
    return run.status == RunStatus.SKIPPED and run.created_at - now > GRACE


def _settle(session: Session, schedule: Schedule, now: datetime, most_queued: int | None) -> None:
    under_way, waiting = list(schedules.open_runs(session, schedule.schedule_id)), 0
    for run in schedules.waiting_runs(session, schedule):
        decision = decide(Overlap(schedule.overlap), busy=bool(under_way), waiting=waiting)
        if decision == Decision.WAIT:
            waiting += 1
        elif decision == Decision.SKIP:
            _end(run, RunStatus.SKIPPED, _why_skipped(under_way, waiting))
        else:
            try:
                with session.begin_nested():  # none is cancelled for one that is not submitted
                    for other in under_way:
                        _cancel(session, other, run, schedule.time_zone, now)
                    submitted = _submit(session, schedule, run, now, most_queued)
            except TooManyStudies as error:
                _end(run, RunStatus.SKIPPED, str(error))
                cause = {"schedule_id": schedule.schedule_id, "cause": str(error)}
                log.warning("run_skipped", **cause)
            else:
                under_way = [run] if submitted else []


def _submit(
    session: Session,
    schedule: Schedule,
    run: ScheduleRun,
    now: datetime,
    most_queued: int | None,
) -> bool:
    study_id = run_study_id(schedule.schedule_id, run.fire_at)
    try:
        look_up(session, schedule.spec)
        fresh = schedule.seed == SeedPolicy.FRESH
        spec = run_spec(
            parse_spec(schedule.spec, stored=True), schedule.schedule_id, run.fire_at, fresh=fresh
        )
        with session.begin_nested(), within(session, schedule.project):
            by = _submitter(schedule, most_queued)
            submit_study(session, spec, None, study_id=study_id, now=now, submitter=by)
    except TooManyStudies:
        raise
    except ServiceError as error:
        _end(run, RunStatus.REFUSED, str(error))
        log.warning("run_refused", schedule_id=schedule.schedule_id, cause=str(error))
        return False
    run.status, run.study_id = RunStatus.SUBMITTED, study_id
    session.flush()
    log.info("run_submitted", schedule_id=schedule.schedule_id, study_id=study_id)
    return True


def _submitter(schedule: Schedule, most_queued: int | None) -> Submitter | None:
    """Whoever made the schedule, also where the key is revoked: it stays the project's."""
    if schedule.submitted_by is None or most_queued is None:
        return None
    return Submitter(schedule.submitted_by, most_queued)


def _cancel(
    session: Session, run: ScheduleRun, by: ScheduleRun, time_zone: str, now: datetime
) -> None:
    assert run.study_id is not None
    try:
        steer_study(session, run.study_id, CANCEL, now=now)
    except TransitionImpossible:  # it has ended in this moment
        return
    run.reason = f"cancelled for the run of {fire_time(by.fire_at, time_zone)} (overlap: cancel)"


def _end(run: ScheduleRun, status: RunStatus, reason: str) -> None:
    run.status, run.reason = status, reason


def _why_skipped(under_way: list[ScheduleRun], waiting: int) -> str:
    if waiting:
        return f"{waiting} runs before it wait already (overlap: queue)"
    return f"study {under_way[-1].study_id} of the run before goes on (overlap: skip)"


def _announced(schedule: Schedule, drift: Drift) -> dict[str, str | int | float]:
    point = drift.point
    assert point.baseline and point.incumbent and point.centre and point.moved
    name, version = parse_label(point.baseline)
    assert version is not None  # a point tells which one it was compared with
    return {
        "schedule_id": schedule.schedule_id,
        "schedule": schedule.name,
        "baseline": name,
        "version": version,
        "direction": point.moved,
        "score": point.incumbent.value,
        "before": drift.before,
        "centre": point.centre.value,
    }
