"""The thread beside the dispatcher's loop: it clears while its epoch is live, and ends with it."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine, select

from service.db.dispatcher import EpochLost, acquire
from service.db.engine import reading, transaction
from service.db.tables import Event
from service.retention.files import Directories
from service.retention.rules import Keep
from service.retention.runner import LONGEST_SECONDS, clear_once, pause_of, run_retention
from tests.fakes.rows import NOON, add_study, finish_study
from tests.waiting import wait_until

KEEP = Keep(events=timedelta(seconds=10))
LATER = NOON + timedelta(days=2)


@contextmanager
def running(engine: Engine, epoch: int, tmp_path: Path) -> Iterator[threading.Thread]:
    stop, directories = threading.Event(), Directories(tmp_path, tmp_path)
    arguments = engine.url, epoch, directories, KEEP, stop, lambda: LATER
    thread = threading.Thread(target=run_retention, args=arguments)
    thread.start()
    try:
        yield thread
    finally:
        stop.set()
        thread.join(30)
    assert not thread.is_alive()


def add_old_study(engine: Engine) -> None:
    with transaction(engine) as session:
        finish_study(session, add_study(session))


def cleared(engine: Engine) -> bool:
    with reading(engine) as session:
        return "events_cleared" in session.scalars(select(Event.kind)).all()


def take(engine: Engine) -> int:
    with transaction(engine) as session:
        epoch = acquire(session, "a test", lambda holder: True)
    assert epoch is not None
    return epoch


def test_it_clears_while_its_epoch_is_live_and_ends_with_it(engine: Engine, tmp_path: Path) -> None:
    with running(engine, take(engine), tmp_path) as thread:
        add_old_study(engine)
        wait_until(lambda: cleared(engine), 20, what="a pass")
        take(engine)
        wait_until(lambda: not thread.is_alive(), 20, what="its end")


def test_who_was_replaced_clears_nothing(engine: Engine, tmp_path: Path) -> None:
    epoch = take(engine)
    add_old_study(engine)
    take(engine)
    with pytest.raises(EpochLost):
        clear_once(engine, epoch, Directories(tmp_path, tmp_path), KEEP, threading.Event(), LATER)
    assert not cleared(engine)


def test_it_looks_ten_times_within_the_shortest_span_and_not_all_the_time() -> None:
    assert pause_of(Keep(events=timedelta(seconds=50))) == 5
    assert pause_of(Keep(events=timedelta(seconds=1))) == 1
    assert pause_of(Keep()) == pause_of(Keep(*[None] * 5)) == LONGEST_SECONDS
