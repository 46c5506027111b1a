"""A standby takes over from a dispatcher in every state, by no clock but its own."""

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine, text, update
from sqlalchemy.exc import OperationalError

from service.db.dispatcher import Sighting, acquire, database_now, fence, look
from service.db.engine import reading, transaction
from service.db.tables import DispatcherRow
from service.dispatcher.leadership.frozen import end_holder, lock_owners
from service.dispatcher.leadership.holder import this_process
from service.dispatcher.leadership.standby import Watch, stand_by
from tests.fakes.processes import runs
from tests.waiting import wait_until

STALE_AFTER = timedelta(seconds=2)
SOON = 20.0  # stale, a wait for the lock, and a look: 7 where nothing else runs

Act = Callable[[subprocess.Popen[str]], None]


@contextmanager
def live_dispatcher(engine: Engine) -> Iterator[subprocess.Popen[str]]:
    url = engine.url.render_as_string(hide_password=False)
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.fakes.holding", url],
        cwd=Path(__file__).parents[4],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert said(process) == "live"
        yield process
    finally:
        process.kill()
        process.communicate()


@contextmanager
def bystander() -> Iterator[str]:
    name = "from service.dispatcher.leadership.holder import this_process as me; print(me())"
    with subprocess.Popen(
        [sys.executable, "-c", f"{name}; input()"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        yield said(process)
        assert process.poll() is None


def said(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def kill(process: subprocess.Popen[str]) -> None:
    process.kill()


def freeze(process: subprocess.Popen[str]) -> None:
    process.send_signal(signal.SIGSTOP)


def freeze_inside(process: subprocess.Popen[str]) -> None:
    hold(process)
    freeze(process)


def hold(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.write("hold\n")
    process.stdin.flush()
    assert said(process) == "held"


@pytest.mark.slow
@pytest.mark.parametrize("act", [kill, freeze, freeze_inside])
def test_a_standby_takes_over_in_every_state(engine: Engine, act: Act) -> None:
    stop = threading.Event()
    with live_dispatcher(engine) as first, ThreadPoolExecutor(1) as second:
        taken = second.submit(stand_by, engine.url, this_process(), stop, STALE_AFTER)
        act(first)
        begin = time.monotonic()
        assert taken.result(60) == 2
        assert time.monotonic() - begin < SOON
        with transaction(engine) as session:  # nothing is locked any more
            session.execute(update(DispatcherRow).values(slots={}))
        if act is freeze:
            assert runs(first.pid)  # it holds nothing: it may wake up, and learn that it is over
        elif act is freeze_inside and engine.dialect.name == "sqlite":
            wait_until(lambda: first.poll() == -signal.SIGKILL, 5, what="its end")


@pytest.mark.slow
@pytest.mark.postgres
@pytest.mark.parametrize("database_url", ["postgres"], indirect=True)
def test_a_dispatcher_stuck_in_a_statement_is_replaced(engine: Engine) -> None:
    with transaction(engine) as session:
        epoch = acquire(session, "elsewhere/boot/pid:[1] 1 1", lambda _: False)
    assert epoch is not None

    def be_stuck() -> None:
        with pytest.raises(OperationalError, match="terminat"), transaction(engine) as session:
            fence(session, epoch)
            session.execute(text("SELECT pg_sleep(60)"))

    with ThreadPoolExecutor(1) as first:
        stuck = first.submit(be_stuck)
        assert stand_by(engine.url, this_process(), threading.Event(), STALE_AFTER) == 2
        stuck.result(20)


def test_a_live_dispatcher_is_left_alone_however_its_clock_is_set(engine: Engine) -> None:
    with transaction(engine) as session:
        acquire(session, "elsewhere/boot/pid:[1] 1 1", lambda _: False)
    stop, steps = threading.Event(), [timedelta(hours=h) for h in (0, 1, -1, 24, -24, 0)]
    with ThreadPoolExecutor(1) as second:
        taken = second.submit(stand_by, engine.url, this_process(), stop, timedelta(seconds=1.0))
        for step in [*steps, *steps]:
            with transaction(engine) as session:
                now = database_now(session) + step
                session.execute(update(DispatcherRow).values(refreshed_at=now))
            assert not stop.wait(0.3)
        stop.set()
        assert taken.result(20) is None


@pytest.mark.parametrize("hours", [1, 24, -1, -24])
def test_a_silent_row_is_stale_whatever_time_it_names(engine: Engine, hours: int) -> None:
    with transaction(engine) as session:
        acquire(session, "elsewhere/boot/pid:[1] 1 1", lambda _: False)
        then = database_now(session) + timedelta(hours=hours)
        session.execute(update(DispatcherRow).values(refreshed_at=then))
    with reading(engine) as session:
        seen = look(session)
    assert seen is not None
    now = [0.0]
    watch = Watch(STALE_AFTER, lambda: now[0])
    assert not watch.is_stale(seen)
    now[0] += STALE_AFTER.total_seconds()
    assert watch.is_stale(seen)
    assert not watch.is_stale(Sighting(*seen[:2], seen.refreshed_at + timedelta(seconds=1)))


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_only_the_holder_of_the_lock_is_ended(engine: Engine, tmp_path: Path) -> None:
    database = Path(str(engine.url.database))
    with live_dispatcher(engine) as other:
        with reading(engine) as session:
            seen = look(session)
        assert seen is not None
        hold(other)
        assert lock_owners(database) == {other.pid}
        host, pid, started = seen.holder.split(" ")
        with bystander() as named:
            for innocent in (
                f"{host} {pid} {int(started) - 1}",  # another process has its number by now
                f"elsewhere/boot/pid:[1] {pid} {started}",
                named,  # it holds nothing
            ):
                assert end_holder(innocent, database) == []
        assert other.poll() is None
        assert end_holder(seen.holder, database) == [other.pid]
        wait_until(lambda: other.poll() == -signal.SIGKILL, 5, what="its end")
    assert lock_owners(database) == frozenset()
