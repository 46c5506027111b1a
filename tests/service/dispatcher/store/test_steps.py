"""Steps: tried again while the database is away, written once whatever was said of their commit."""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import Engine, func, select
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from service.db.connections.deadlines import STANDBY
from service.db.dispatcher import EpochLost, acquire
from service.db.engine import open_engine, reading, transaction
from service.db.events import append_event
from service.db.tables import DispatcherRow, Event
from service.dispatcher.store import steps
from service.dispatcher.store.steps import Steps
from tests.fakes.specs import small_spec
from tests.fakes.states import NOON
from tests.fakes.studies import submit

Commit = Callable[[Any], None]


def take(engine: Engine) -> int:
    with transaction(engine) as session:
        epoch = acquire(session, "test", lambda _: True)
    assert epoch is not None
    return epoch


def event_of(engine: Engine) -> Callable[[Session], str]:
    study_id = submit(engine, small_spec())

    def body(session: Session) -> str:
        append_event(session, study_id, "study_running", {}, now=NOON)
        return study_id

    return body


def events(engine: Engine) -> int:
    with reading(engine) as session:
        return int(session.scalar(select(func.count()).select_from(Event)) or 0)


@contextmanager
def commits(engine: Engine, fates: list[str]) -> Iterator[None]:
    """Let the next commits be made or not, and their answers get lost; the others are as ever."""
    commit = engine.dialect.do_commit
    lost = OperationalError("COMMIT", {}, Exception("the connection is lost"))

    def doomed(connection: Any) -> None:
        fate = fates.pop(0) if fates else "made"
        if fate != "not made":
            commit(connection)
        if fate != "made":
            raise lost

    engine.dialect.do_commit = doomed  # type: ignore[method-assign]
    try:
        yield
    finally:
        engine.dialect.do_commit = commit  # type: ignore[method-assign]


@pytest.mark.parametrize(
    "fates",
    [["not made"], ["made, not answered"], ["not made", "not made", "made, not answered"]],
    ids=" then ".join,
)
def test_a_step_is_written_once_whatever_becomes_of_its_commit(
    engine: Engine, fates: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(steps, "RETRY_SECONDS", 0.01)
    of_epoch, body = Steps(engine, take(engine)), event_of(engine)
    study_id = of_epoch.write(body)
    with commits(engine, list(fates)):
        assert of_epoch.write(body) == study_id
    assert events(engine) == 2
    assert of_epoch.write(body) == study_id  # the next one is another
    assert events(engine) == 3


def test_a_step_whose_commit_is_unknown_ends_with_its_epoch(engine: Engine) -> None:
    of_epoch, body = Steps(engine, take(engine)), event_of(engine)
    with commits(engine, ["made, not answered"]), ThreadPoolExecutor(1) as loop:
        trying = loop.submit(of_epoch.write, body)
        while not events(engine):
            pass
        with transaction(engine) as session:
            acquire(session, "successor", lambda _: True)
        with pytest.raises(EpochLost):
            trying.result(60)
    assert events(engine) == 1
    with reading(engine) as session:
        assert session.scalar(select(DispatcherRow.step)) == 0


def test_who_holds_the_lock_is_waited_for_and_who_holds_it_for_too_long_is_not(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    impatient = open_engine(engine.url, STANDBY._replace(lock=0.1))
    stop = threading.Event()
    of_epoch, body = Steps(impatient, take(engine), stop), event_of(engine)
    with ThreadPoolExecutor(1) as loop:
        with transaction(engine) as session:
            session.execute(select(DispatcherRow.epoch).with_for_update())
            trying = loop.submit(of_epoch.write, body)
            with pytest.raises(TimeoutError):
                trying.result(1.5)
        trying.result(60)
        assert events(engine) == 1
        with transaction(engine) as session:
            session.execute(select(DispatcherRow.epoch).with_for_update())
            monkeypatch.setattr(steps, "LAST_SECONDS", 0.5)
            trying = loop.submit(of_epoch.write, body)
            stop.set()
            begun = time.monotonic()
            with pytest.raises(OperationalError):
                trying.result(60)
            assert time.monotonic() - begun < 20
    assert events(engine) == 1
    impatient.dispose()


def test_a_failure_of_another_kind_is_not_waited_for(engine: Engine) -> None:
    of_epoch = Steps(engine, take(engine))
    with pytest.raises(ZeroDivisionError):
        of_epoch.write(lambda session: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        of_epoch.read(lambda session: 1 / 0)
