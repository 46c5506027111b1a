"""One time for all waits of a request: in the line, for a lock, for the next."""

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import copy_context

import pytest
from sqlalchemy import Engine, select, update
from sqlalchemy.exc import OperationalError, SQLAlchemyError

from service.db.connections.allowance import LEAST_SECONDS, allow, allowed
from service.db.connections.deadlines import API
from service.db.dispatcher import acquire
from service.db.engine import open_engine, transaction
from service.db.tables import DispatcherRow, Study
from tests.fakes.specs import small_spec
from tests.fakes.studies import submit

TOTAL_SECONDS = 6.0
LONG = API._replace(pool=60.0, lock=60.0, statement=60.0, answer=70.0, idle=60.0, writers=1)


@pytest.fixture
def long(engine: Engine) -> Iterator[Engine]:
    one = open_engine(engine.url, LONG)
    yield one
    one.dispose()


@contextmanager
def held(engine: Engine, table: type, seconds: float) -> Iterator[None]:
    """Hold what writers of a table wait for, for so long or for the block."""
    with ThreadPoolExecutor(1) as thread:
        is_held, let_go = threading.Event(), threading.Event()

        def hold() -> None:
            with transaction(engine) as session:
                session.execute(select(table).with_for_update()).all()
                is_held.set()
                let_go.wait(seconds)

        holder = thread.submit(hold)
        is_held.wait(30)
        yield
        let_go.set()
        holder.result(30)


def seconds_until_refused(act: object) -> float:
    begun = time.monotonic()
    with pytest.raises(SQLAlchemyError):
        act()  # type: ignore[operator]
    return time.monotonic() - begun


def in_a_request(act: object, seconds: float = TOTAL_SECONDS) -> float:
    def run() -> float:
        allow(time.monotonic() + seconds)
        return seconds_until_refused(act)

    return copy_context().run(run)


def test_who_asks_for_nothing_in_particular_waits_as_long_as_the_process_does() -> None:
    assert allowed(7.0) == 7.0

    def asked() -> tuple[float, float]:
        allow(time.monotonic() + 2.0)
        some = allowed(7.0)
        allow(time.monotonic() - 1.0)
        return some, allowed(7.0)

    some, none = copy_context().run(asked)
    assert 1.0 < some <= 2.0
    assert none == LEAST_SECONDS


@pytest.mark.postgres
@pytest.mark.parametrize("database_url", ["postgres"], indirect=True)
def test_a_second_lock_has_what_the_first_has_left(engine: Engine, long: Engine) -> None:
    submit(engine, small_spec())
    with transaction(engine) as session:
        acquire(session, "test", lambda _: True)

    def pause() -> None:
        with transaction(long) as session:
            session.execute(select(DispatcherRow.epoch).with_for_update())
            session.execute(update(Study).values(name="another"))

    with held(engine, Study, 60.0), held(engine, DispatcherRow, TOTAL_SECONDS - 1):
        assert TOTAL_SECONDS - 1 < in_a_request(pause) < 2 * TOTAL_SECONDS - 2


def test_a_lock_has_what_the_line_has_left(engine: Engine, long: Engine) -> None:
    submit(engine, small_spec())

    def write() -> None:
        with transaction(long) as session:
            session.execute(update(Study).values(name="another"))

    with held(engine, Study, 60.0), ThreadPoolExecutor(2) as requests:
        first = requests.submit(in_a_request, write, 3.0)
        second = requests.submit(in_a_request, write, 4.0)  # behind it in the line for 3 s
        assert first.result(60) < 20
        assert second.result(60) < 20


def test_with_nothing_left_a_write_that_nobody_holds_up_is_made(
    engine: Engine, long: Engine
) -> None:
    submit(engine, small_spec())

    def write() -> None:
        allow(time.monotonic() - 1.0)
        with transaction(long) as session:
            session.execute(update(Study).values(name="another"))

    copy_context().run(write)
    with held(engine, Study, 60.0), pytest.raises(OperationalError):
        copy_context().run(write)
