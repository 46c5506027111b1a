"""Schedules in tests: a clock that is set by hand, and what their tests read of the database."""

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Engine, select

from service.cron.runner import Runner
from service.db.dispatcher import acquire
from service.db.engine import reading, transaction
from service.db.tables import ScheduleRun, Study
from service.operations import schedules
from service.wire.views.gate_report import GateReport
from service.wire.views.schedules import NewSchedule
from tests.fakes.rows import result
from tests.fakes.specs import SMALL

NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)
ONE_BRANCH = {**SMALL, "branches": SMALL["branches"][:1]}


class HandClock:
    """A clock that stands still until it is told to go on."""

    def __init__(self, at: datetime = NOON) -> None:
        self.at = at

    def __call__(self) -> datetime:
        return self.at

    def go(self, **spans: float) -> None:
        self.at += timedelta(**spans)


def new_schedule(**changes: Any) -> NewSchedule:
    """Return an hourly schedule of the small study."""
    whole = {"name": "hourly", "cron": "0 * * * *", "spec": ONE_BRANCH, **changes}
    return NewSchedule.model_validate(whole)


def add(
    engine: Engine, clock: HandClock, maker: schedules.Maker | None = None, **changes: Any
) -> str:
    """Add such a schedule as the API does; return its id."""
    new = new_schedule(**changes)
    with transaction(engine) as session:
        return schedules.add_schedule(
            session, new, schedule_id=uuid.uuid4().hex, now=clock(), maker=maker
        )


def take_over(engine: Engine, clock: HandClock, most_queued: int | None = None) -> Runner:
    """Return the runner of a new live dispatcher."""
    with transaction(engine) as session:
        epoch = acquire(session, "test", lambda _: True)
    assert epoch is not None
    return Runner(engine, epoch, clock, most_queued=most_queued)


def runs(engine: Engine) -> list[ScheduleRun]:
    """Return all runs by fire time."""
    with reading(engine) as session:
        found = list(session.scalars(select(ScheduleRun).order_by(ScheduleRun.fire_at)))
        session.expunge_all()
    return found


def statuses(engine: Engine) -> list[str]:
    return [run.status for run in runs(engine)]


def submitted(engine: Engine) -> list[Study]:
    """Return all studies, oldest first."""
    with reading(engine) as session:
        found = list(session.scalars(select(Study).order_by(Study.created_at, Study.name)))
        session.expunge_all()
    return found


def estimate(value: float, stderr: float = 0.01) -> dict[str, float]:
    return {"value": value, "stderr": stderr, "low": value - 2 * stderr, "high": value + 2 * stderr}


def gates(incumbent: float | None, *, version: int = 1, stored: bool = False) -> dict[str, Any]:
    """Return what the gates of a study say: a candidate, and the incumbent beside it."""
    contender = {
        "branch": "maml",
        "params": {"inner_lr": 0.01},
        "diverged_share": 0.0,
        "metrics": {},
        "runs": [],
        "stored": False,
    }
    baseline = {**contender, "score": estimate(incumbent), "stored": stored} if incumbent else None
    report = {
        "passed": True,
        "answers": [],
        "undecided": "fail",
        "trial_number": 0,
        "candidate": {**contender, "score": estimate(0.5)},
        "baseline_name": {"name": "main", "version": version} if incumbent else None,
        "baseline": baseline,
        "tasks": 400,
        "seeds": 5,
        "looks": 1,
        "bank": "b",
        "bank_looks": 10,
        "promoted": {"name": "main", "version": version + 1},
        "versions": {},
        "device": "CPU",
    }
    return GateReport.model_validate(report).model_dump(mode="json")


def complete(engine: Engine, value: float) -> str:
    """Complete the study that is queued, with an incumbent of that score; return its id."""
    [study] = [one for one in submitted(engine) if one.status == "queued"]
    with transaction(engine) as session:
        row = session.get_one(Study, study.study_id)
        row.status, row.result = "completed", {**result(0), "gates": gates(value)}
    return study.study_id
