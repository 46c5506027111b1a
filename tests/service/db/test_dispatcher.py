"""The epoch: one live dispatcher, on SQLite and on Postgres."""

import threading
from datetime import timedelta

import pytest
from sqlalchemy import Engine, select, update

from service.db.dispatcher import (
    STALE_AFTER,
    EpochLost,
    acquire,
    database_now,
    fence,
    look,
    release,
    sign_of_life,
)
from service.db.engine import reading, transaction
from service.db.tables import DispatcherRow, Study
from tests.fakes.specs import small_spec
from tests.fakes.studies import submit
from tests.waiting import wait_until


def alive(holder: str) -> bool:
    return False


def take(engine: Engine, holder: str = "a") -> int | None:
    with transaction(engine) as session:
        return acquire(session, holder, alive)


def test_the_first_dispatcher_begins_epoch_1(engine: Engine) -> None:
    assert take(engine) == 1
    with reading(engine) as session:
        assert sign_of_life(session).is_live


def test_a_live_dispatcher_is_not_replaced(engine: Engine) -> None:
    take(engine)
    assert take(engine, "b") is None


def test_who_was_watched_for_too_long_is_replaced_unless_it_lives_after_all(
    engine: Engine,
) -> None:
    take(engine)
    with reading(engine) as session:
        seen = look(session)
    with transaction(engine) as session:
        fence(session, 1)
    with transaction(engine) as session:
        assert acquire(session, "b", alive, stale=seen) is None
        assert acquire(session, "b", alive, stale=look(session)) == 2


@pytest.mark.parametrize(
    ("age", "told"),
    [
        (timedelta(seconds=1), ""),
        (-timedelta(seconds=2), ""),
        (STALE_AFTER + timedelta(seconds=1), "8 s old"),
        (-timedelta(hours=1), "in the future"),
        (-timedelta(days=1), "in the future"),
        (timedelta(days=1), "86400 s old"),
    ],
)
def test_a_sign_of_life_is_of_now(engine: Engine, age: timedelta, told: str) -> None:
    take(engine)
    with transaction(engine) as session:
        then = database_now(session) - age
        session.execute(update(DispatcherRow).values(refreshed_at=then))
        life = sign_of_life(session)
    assert life.is_live == (told == "")
    assert told in life.text


def test_a_dispatcher_known_to_be_dead_is_replaced_at_once(engine: Engine) -> None:
    take(engine, "dead")
    with transaction(engine) as session:
        assert acquire(session, "b", lambda holder: holder == "dead") == 2


def test_a_released_epoch_is_taken_over_at_once(engine: Engine) -> None:
    epoch = take(engine)
    assert epoch is not None
    with transaction(engine) as session:
        release(session, epoch)
    assert take(engine, "b") == 2


def test_a_write_under_an_old_epoch_changes_nothing(engine: Engine) -> None:
    study_id = submit(engine, small_spec())
    take(engine)
    with transaction(engine) as session:
        acquire(session, "b", lambda _: True)
    with pytest.raises(EpochLost, match="epoch 1 is over"):
        with transaction(engine) as session:
            session.execute(update(Study).values(status="failed"))
            fence(session, 1)
    with reading(engine) as session:
        assert session.get_one(Study, study_id).status == "queued"


def test_the_fence_refreshes_the_row(engine: Engine) -> None:
    take(engine)
    with transaction(engine) as session:
        then = database_now(session) - timedelta(seconds=5)
        session.execute(update(DispatcherRow).values(refreshed_at=then))
    with transaction(engine) as session:
        fence(session, 1)
    with reading(engine) as session:
        assert session.scalars(select(DispatcherRow.refreshed_at)).one() > then


def test_a_takeover_waits_for_a_write_in_flight(engine: Engine) -> None:
    take(engine)
    order: list[str] = []
    fenced, finish = threading.Event(), threading.Event()

    def write() -> None:
        with transaction(engine) as session:
            fence(session, 1)
            fenced.set()
            finish.wait(20)
            order.append("write")

    def replace() -> None:
        with transaction(engine) as session:
            acquire(session, "b", lambda _: True)
            order.append("takeover")

    writer, successor = threading.Thread(target=write), threading.Thread(target=replace)
    writer.start()
    assert fenced.wait(20)
    successor.start()
    successor.join(timeout=0.3)
    assert successor.is_alive()
    finish.set()
    wait_until(lambda: not successor.is_alive() and not writer.is_alive(), 20)
    assert order == ["write", "takeover"]
