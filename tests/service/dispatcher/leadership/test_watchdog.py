"""The watchdog ends a dispatcher that is frozen, wherever it stands, and nobody else."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest
from sqlalchemy import Engine, text

from service.db.dispatcher import acquire
from service.db.engine import transaction
from service.dispatcher.leadership.watchdog import Watchdog
from tests.fakes.processes import kill
from tests.service.dispatcher.leadership.test_standby import (
    Act,
    freeze,
    freeze_inside,
    live_dispatcher,
)
from tests.waiting import wait_until

STALE_AFTER = timedelta(seconds=2)
LONG = 5.0  # more than twice as long

pytestmark = pytest.mark.slow


@contextmanager
def watching(engine: Engine, process: "subprocess.Popen[str]") -> Iterator[list[int]]:
    """Watch a process as the one that is supervised; yield whom the watchdog has ended."""
    ended: list[int] = []

    def replace(process_id: int) -> None:
        ended.append(process_id)
        kill(process_id)

    def process_id() -> int | None:
        return process.pid if process.poll() is None else None

    watchdog = Watchdog(engine.url, process_id, replace, STALE_AFTER)
    watchdog.start()
    try:
        yield ended
    finally:
        watchdog.stop()


@pytest.mark.parametrize("act", [freeze, freeze_inside])
def test_a_frozen_dispatcher_is_ended(engine: Engine, act: Act) -> None:
    with live_dispatcher(engine) as child, watching(engine, child) as ended:
        act(child)
        wait_until(lambda: child.poll() == -signal.SIGKILL, 20, what="its end")
        assert ended in ([child.pid], [])  # of SQLite, who holds its lock is ended for that
        with transaction(engine) as session:
            assert acquire(session, "another", lambda _: False) is None
            assert acquire(session, "another", lambda _: True) == 2


def test_one_that_lives_is_left_alone(engine: Engine) -> None:
    with live_dispatcher(engine) as child, watching(engine, child) as ended:
        assert not threading.Event().wait(LONG)
        assert child.poll() is None and not ended


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_database_that_another_has_locked_is_no_fault_of_its(engine: Engine) -> None:
    with live_dispatcher(engine) as child, watching(engine, child) as ended:
        with transaction(engine) as session:
            session.execute(text("SELECT 1"))  # the write lock is had with the first statement
            assert not threading.Event().wait(LONG)
        assert child.poll() is None and not ended


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_one_that_is_not_live_is_ended_only_if_it_is_stopped(engine: Engine) -> None:
    with transaction(engine) as session:
        acquire(session, "elsewhere/boot/pid:[1] 1 1", lambda _: False)
    with subprocess.Popen(
        [sys.executable, "-c", "input()"], stdin=subprocess.PIPE, text=True
    ) as child:
        with watching(engine, child) as ended:
            assert not threading.Event().wait(LONG)
            assert child.poll() is None and not ended
            os.kill(child.pid, signal.SIGSTOP)
            wait_until(lambda: child.poll() == -signal.SIGKILL, 20, what="its end")
            assert ended == [child.pid]
