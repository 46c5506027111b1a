"""Kills of a dispatcher whose threads fire schedules and deliver to webhooks, for real."""

import json
import os
import signal
import uuid
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine, func, select

from service.db.engine import reading, transaction
from service.db.tables import Delivery, ScheduleRun, Study
from service.notifications.notifier import new_delivery
from service.operations import schedules
from service.wire.views.notifications import notification_of_test
from tests.e2e.conftest import Start
from tests.fakes.processes import runs
from tests.fakes.receiver import PATH, SECRET, receiving
from tests.fakes.schedules import new_schedule
from tests.waiting import wait_until

pytestmark = pytest.mark.slow

SCHEDULES = 120
HOUR = timedelta(hours=1)


@pytest.mark.postgres
@pytest.mark.parametrize("database_url", ["postgres"], indirect=True)
def test_each_missed_fire_time_becomes_one_study_however_often_it_is_killed(
    engine: Engine, start: Start
) -> None:
    now = datetime.now(UTC)
    with transaction(engine) as session:
        for number in range(SCHEDULES):
            new = new_schedule(name=f"hourly-{number}", catch_up="once")
            schedules.add_schedule(session, new, schedule_id=uuid.uuid4().hex, now=now - HOUR)
    killed_amid = 0
    while (before := studies(engine)) < SCHEDULES:
        dispatcher = start(METAOPT_SLOTS="1")
        if killed_amid < 2:
            wait_until(lambda seen=before: studies(engine) > seen, 30, what="a study")
            dispatcher.kill()
            killed_amid += before < studies(engine) < SCHEDULES
        else:
            wait_until(lambda: studies(engine) == SCHEDULES, 30, what="all studies")
    assert killed_amid > 0
    with reading(engine) as session:
        runs = session.execute(select(ScheduleRun.schedule_id, ScheduleRun.study_id)).all()
        made = set(session.scalars(select(Study.study_id)))
    assert len({schedule_id for schedule_id, _ in runs}) == len(runs) == SCHEDULES
    assert {study_id for _, study_id in runs} == made


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_what_was_sent_and_not_noted_is_sent_again_under_the_same_id(
    engine: Engine, start: Start, tmp_path: Path
) -> None:
    with receiving() as receiver:
        receiver.may_answer.clear()
        webhook = {
            "name": "ci",
            "url": f"http://127.0.0.1:{receiver.port}{PATH}",
            "allow": ["127.0.0.1"],
            "secret": SECRET.decode(),
            "events": ["study_completed"],
        }
        file = tmp_path / "webhooks.json"
        file.write_text(json.dumps([webhook]))
        now = datetime.now(UTC)
        with transaction(engine) as session:
            session.add(new_delivery("ci", notification_of_test(now), "d" * 32, now))

        first = start(METAOPT_SLOTS="1", METAOPT_WEBHOOKS_FILE=str(file))
        wait_until(lambda: len(receiver.got) == 1, 30, what="the first attempt")
        first.kill()  # it waits for the answer
        assert delivery(engine).status == "pending"
        receiver.may_answer.set()
        start(METAOPT_SLOTS="1", METAOPT_WEBHOOKS_FILE=str(file))
        wait_until(lambda: delivery(engine).status == "delivered", 30, what="the delivery")
        attempts = [(got.headers["Metaopt-Delivery"], got.body) for got in receiver.got]
    assert len(attempts) == 2 and attempts[0] == attempts[1]
    assert attempts[0][0] == "d" * 32


def studies(engine: Engine) -> int:
    with reading(engine) as session:
        return session.scalar(select(func.count()).select_from(Study)) or 0


def delivery(engine: Engine) -> Delivery:
    with reading(engine) as session:
        row = session.scalars(select(Delivery)).one()
        session.expunge(row)
    return row


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_stopped_mirror_does_not_outlive_its_dispatcher(engine: Engine, start: Start) -> None:
    dispatcher = start(METAOPT_SLOTS="1")
    wait_until(lambda: "dispatcher_live" in dispatcher.log(), 60, what="a live dispatcher")
    (mirror,) = set(dispatcher.worker_pids()) - set(dispatcher.workers())
    wait_until(lambda: has_open(mirror, "metaopt.db"), 30, what="a mirror at work")
    os.kill(mirror, signal.SIGSTOP)
    dispatcher.kill()
    wait_until(lambda: not runs(mirror), 10, what="its end")


def has_open(pid: int, name: str) -> bool:
    """Return whether a process has a file of that name open."""
    found = []
    for link in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(FileNotFoundError):  # closed meanwhile
            found.append(os.readlink(link))
    return any(one.endswith(name) for one in found)
