"""The runner: a thread beside the dispatcher's loop that fires schedules, once each second.

It looks with one read what there is to do, and does it schedule by schedule, each in a fenced
transaction: a runner whose dispatcher was replaced changes nothing, one that is killed before the
commit leaves nothing, and the next finds the same fire times due.
"""

import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Protocol

import structlog
from sqlalchemy import URL, Engine
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from service.cron.firing import fire, look_at_ends
from service.db import schedules
from service.db.connections.deadlines import DISPATCHER
from service.db.connections.pauses import pause_after
from service.db.dispatcher import EpochLost, check_live, fence
from service.db.engine import open_engine, reading, transaction
from service.schedules.plan import next_fire, planned

INTERVAL_SECONDS = 1.0
REST = timedelta(seconds=60)

log = structlog.get_logger("schedules")


class Step(Protocol):
    """What is done with a schedule in a transaction."""

    __name__: str

    def __call__(self, session: Session, schedule_id: str, *, now: datetime) -> None: ...


def run_schedules(
    database_url: str | URL,
    epoch: int,
    stop: threading.Event,
    now: Callable[[], datetime],
    *,
    most_queued: int | None = None,
) -> None:
    """Fire schedules while `epoch` is live; after a failure of the database wait longer.

    Args:
        database_url: As for `open_engine`.
        epoch: Of the dispatcher that runs this.
        stop: When set, this returns.
        now: The time, UTC-aware.
        most_queued: How many studies whoever made a schedule may have in the queue; None is any.
    """
    engine, pause = open_engine(database_url, DISPATCHER), INTERVAL_SECONDS
    runner = Runner(engine, epoch, now, most_queued=most_queued)
    while not stop.wait(pause):
        try:
            runner.step()
            pause = INTERVAL_SECONDS
        except EpochLost as error:
            log.info("schedules_ended", epoch=epoch, cause=str(error))
            break
        except Exception as error:  # whatever it is, it must not end the dispatcher
            pause = pause_after(error, pause)
            log.warning("schedules_failed", error=str(error), retry_seconds=pause)
    engine.dispose()


class Runner:
    """Fires the schedules of a database as one epoch.

    Args:
        engine: The database.
        epoch: Named by every write.
        now: The time, UTC-aware.
        most_queued: As for `run_schedules`.
    """

    def __init__(
        self,
        engine: Engine,
        epoch: int,
        now: Callable[[], datetime],
        *,
        most_queued: int | None = None,
    ) -> None:
        self._engine = engine
        self._epoch = epoch
        self._now = now
        self._most_queued = most_queued
        self._next: dict[schedules.Clock, datetime | None] = {}
        self._resting: dict[tuple[str, str], datetime] = {}  # until when, after a failure

    def step(self) -> None:
        """Do all there is to do now.  A step that fails rests, and stops no other.

        Raises:
            EpochLost: Another dispatcher is live.
            sqlalchemy.exc.DBAPIError: The database failed.
        """
        now = self._now()
        with reading(self._engine) as session:
            check_live(session, self._epoch)
            firing = schedules.ready(session) | self._due(schedules.clocks(session), now)
            ended = schedules.just_ended(session)
        for schedule_id in sorted(ended):
            self._try(look_at_ends, schedule_id, now)
        for schedule_id in sorted(firing):
            self._try(self._fire, schedule_id, now)

    def _due(self, clocks: list[schedules.Clock], now: datetime) -> set[str]:
        self._next = {
            clock: self._next[clock] if clock in self._next else _next(clock) for clock in clocks
        }
        return {
            clock.schedule_id
            for clock, at in self._next.items()
            if (at is not None and at <= now) or planned(clock.planned_to, now) < clock.planned_to
        }

    def _fire(self, session: Session, schedule_id: str, *, now: datetime) -> None:
        fire(session, schedule_id, now=now, most_queued=self._most_queued)

    def _try(self, step: Step, schedule_id: str, now: datetime) -> None:
        what = step.__name__.lstrip("_"), schedule_id
        left = self._resting.get(what, now) - now
        if timedelta() < left <= REST:  # more is of a clock that was set back since
            return
        try:
            with transaction(self._engine) as session:
                fence(session, self._epoch)
                step(session, schedule_id, now=now)
        except (EpochLost, DBAPIError):
            raise
        except Exception as error:
            self._resting[what] = now + REST
            log.exception(
                "schedule_failed", step=what[0], schedule_id=schedule_id, error=str(error)
            )


def _next(clock: schedules.Clock) -> datetime | None:
    try:
        return next_fire(clock.cron, clock.time_zone, clock.planned_to)
    except Exception as error:  # as a time zone that this machine does not know any more
        log.error("schedule_failed", schedule_id=clock.schedule_id, error=str(error))
        return None
