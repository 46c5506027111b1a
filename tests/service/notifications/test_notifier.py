"""The notifier: which events become deliveries, and how those fare; nothing lost, none doubled."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import Engine, select, update

from service.db import deliveries
from service.db.dispatcher import EpochLost, acquire
from service.db.engine import reading, transaction
from service.db.events import append_event
from service.db.tables import Delivery, Event, Notified
from service.notifications import notifier as notifier_module
from service.notifications.notifier import Notifier
from service.notifications.retries import MOST_ATTEMPTS, Outcome, pause_seconds
from service.notifications.sender import Sender
from service.notifications.signature import verify
from tests.fakes.receiver import SECRET, Clock, Receiver, receiving
from tests.fakes.rows import NOON, add_study

STUDY = "a" * 32


@pytest.fixture
def epoch(engine: Engine) -> int:
    """Become the live dispatcher of a database with one study."""
    with transaction(engine) as session:
        add_study(session, STUDY, name="Größe & Co", status="completed")
        found = acquire(session, "this test", lambda holder: True)
    assert found is not None
    return found


@pytest.fixture
def clock() -> Clock:
    return Clock(NOON)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as found:
        yield found


def notifier(engine: Engine, epoch: int, receiver: Receiver, clock: Clock, **webhook: Any) -> Any:
    return Notifier(engine, receiver.webhook(**webhook), epoch, Sender().send, now=clock)


def happen(engine: Engine, *kinds: str, **data: Any) -> None:
    with transaction(engine) as session:
        for kind in kinds:
            append_event(session, STUDY, kind, data, now=NOON)


def rows(engine: Engine) -> list[Delivery]:
    with reading(engine) as session:
        found = list(session.scalars(select(Delivery).order_by(Delivery.event_id)))
        session.expunge_all()
    return found


def test_only_events_after_the_first_start_and_only_wanted_ones_are_told(
    engine: Engine, epoch: int, receiver: Receiver, clock: Clock
) -> None:
    happen(engine, "study_completed", "study_failed")
    one = notifier(engine, epoch, receiver, clock)
    one.step()
    assert rows(engine) == [] and receiver.got == []
    happen(engine, "trial_started", "study_cancelled")
    happen(engine, "study_completed", trial_number=2, score=2.5)
    one.step()
    (row,), (got,) = rows(engine), receiver.got
    assert (row.event, row.study_id, row.status, row.attempts) == (
        "study_completed", STUDY, "delivered", 1,
    )  # fmt: skip
    assert (row.last_status_code, row.last_error, row.delivered_at) == (200, None, NOON)
    assert verify(SECRET, got.body, got.headers["Metaopt-Signature"], now=NOON.timestamp())
    assert got.headers["Metaopt-Delivery"] == row.delivery_id
    assert json.loads(got.body) == {
        "schema_version": 1,
        "event": "study_completed",
        "study_id": STUDY,
        "name": "Größe & Co",
        "status": "completed",
        "data": {"trial_number": 2, "score": 2.5},
        "created_at": "2026-01-02T12:00:00Z",
        "delivery_id": row.delivery_id,
    }


def test_a_receiver_that_fails_twice_is_asked_again_when_it_is_time(
    engine: Engine, epoch: int, clock: Clock
) -> None:
    with receiving(503, 500, 200) as receiver:
        one = notifier(engine, epoch, receiver, clock)
        one.step()
        happen(engine, "study_failed", error="no disk")
        one.step()
        (row,) = rows(engine)
        for attempts in (1, 2):
            pause = pause_seconds(row.delivery_id, attempts)
            clock.pass_seconds(pause - 0.01)
            one.step()
            assert len(receiver.got) == attempts
            clock.pass_seconds(0.01)
            one.step()
            assert len(receiver.got) == attempts + 1
    (row,) = rows(engine)
    assert (row.status, row.attempts, row.delivered_at) == ("delivered", 3, clock())
    assert len({got.headers["Metaopt-Delivery"] for got in receiver.got}) == 1
    assert len({got.body for got in receiver.got}) == 1
    signatures = {got.headers["Metaopt-Signature"] for got in receiver.got}
    assert len(signatures) == 3  # each attempt is signed as of its own time


def test_a_pause_set_by_a_clock_that_was_ahead_is_not_waited_for(
    engine: Engine, epoch: int, clock: Clock
) -> None:
    with receiving(503, 200) as receiver:
        one = notifier(engine, epoch, receiver, clock)
        one.step()
        happen(engine, "study_failed")
        clock.pass_seconds(24 * 3600)
        one.step()
        assert len(receiver.got) == 1
        clock.pass_seconds(-24 * 3600)
        one.step()
        assert len(receiver.got) == 2


def test_a_receiver_that_never_answers_is_given_up(
    engine: Engine, epoch: int, receiver: Receiver, clock: Clock
) -> None:
    receiver.codes = [500]
    one = notifier(engine, epoch, receiver, clock)
    one.step()
    happen(engine, "study_failed")
    for _ in range(MOST_ATTEMPTS + 3):
        one.step()
        clock.pass_seconds(20_000)
    (row,) = rows(engine)
    assert (row.status, row.attempts, row.next_attempt_at) == ("failed", MOST_ATTEMPTS, None)
    assert row.last_error == "answered 500; given up after 8 attempts"
    assert len(receiver.got) == MOST_ATTEMPTS


@pytest.mark.parametrize(("code", "error"), [(302, "redirects are not followed"), (410, "410")])
def test_a_redirect_and_gone_are_final(
    engine: Engine, epoch: int, receiver: Receiver, clock: Clock, code: int, error: str
) -> None:
    receiver.codes = [code]
    one = notifier(engine, epoch, receiver, clock)
    one.step()
    happen(engine, "study_failed")
    for _ in range(3):
        one.step()
        clock.pass_seconds(20_000)
    (row,) = rows(engine)
    assert (row.status, row.attempts, row.last_status_code) == ("failed", 1, code)
    assert error in str(row.last_error)


def test_a_restart_neither_loses_nor_doubles_a_delivery(
    engine: Engine, epoch: int, receiver: Receiver, clock: Clock
) -> None:
    class Killed(BaseException):
        pass

    def killed(*_: Any) -> Outcome:
        raise Killed

    notifier(engine, epoch, receiver, clock).step()
    happen(engine, "study_failed", "study_completed")
    dying = notifier(engine, epoch, receiver, clock)
    dying.send = killed
    with pytest.raises(Killed):
        dying.step()
    assert [row.status for row in rows(engine)] == ["pending", "pending"]
    happen(engine, "study_completed")  # while nobody is there
    for _ in range(3):
        with transaction(engine) as session:
            later = acquire(session, "a successor", lambda holder: True)
        assert later is not None
        notifier(engine, later, receiver, clock).step()
    assert [row.status for row in rows(engine)] == ["delivered"] * 3
    told = [json.loads(got.body)["delivery_id"] for got in receiver.got]
    assert sorted(told) == sorted(row.delivery_id for row in rows(engine))


def test_what_was_sent_but_not_recorded_is_sent_again_under_the_same_id(
    engine: Engine, epoch: int, receiver: Receiver, clock: Clock
) -> None:
    one = notifier(engine, epoch, receiver, clock)
    one.step()
    happen(engine, "study_failed")

    def taken_over(webhook: Any, delivery_id: str, body: bytes, now: Any) -> Outcome:
        outcome = Sender().send(webhook, delivery_id, body, now)
        with transaction(engine) as session:
            acquire(session, "another", lambda holder: True)
        return outcome

    one.send = taken_over
    with pytest.raises(EpochLost):
        one.step()
    (row,) = rows(engine)
    assert (row.status, row.attempts) == ("pending", 0)
    notifier(engine, epoch + 1, receiver, clock).step()
    assert [got.headers["Metaopt-Delivery"] for got in receiver.got] == [row.delivery_id] * 2


def test_an_old_epoch_takes_in_nothing(
    engine: Engine, epoch: int, receiver: Receiver, clock: Clock
) -> None:
    one = notifier(engine, epoch, receiver, clock)
    one.step()
    happen(engine, "study_failed")
    with transaction(engine) as session:
        acquire(session, "another", lambda holder: True)
    with pytest.raises(EpochLost):
        one.step()
    assert rows(engine) == [] and receiver.got == []


def test_an_event_that_is_committed_late_is_told(
    engine: Engine, epoch: int, receiver: Receiver, clock: Clock
) -> None:
    one = notifier(engine, epoch, receiver, clock)
    one.step()
    happen(engine, "trial_started", "study_failed")
    with transaction(engine) as session:  # its place is free again, as if not committed yet
        late = session.scalars(select(Event).order_by(Event.event_id.desc()).limit(2)).all()[1]
        late_id = late.event_id
        session.delete(late)
    one.step()
    with transaction(engine) as session:
        row = Event(event_id=late_id, study_id=STUDY, kind="study_completed", data={})
        row.created_at = NOON
        session.add(row)
    one.step()
    one.step()
    assert [row.event for row in rows(engine)] == ["study_completed", "study_failed"]


def test_a_backlog_is_taken_in_whole(
    engine: Engine, epoch: int, receiver: Receiver, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notifier_module, "MOST_TOGETHER", 3)
    one = notifier(engine, epoch, receiver, clock)
    one.step()
    happen(engine, *["study_failed", "trial_started"] * 8)
    one.step()
    assert [row.status for row in rows(engine)] == ["delivered"] * 8


def test_the_place_is_written_only_now_and_then(
    engine: Engine, epoch: int, receiver: Receiver, clock: Clock
) -> None:
    one = notifier(engine, epoch, receiver, clock)
    one.step()
    place = select(Notified.last_event_id)
    with reading(engine) as session:
        before = session.scalar(place)
    happen(engine, *["trial_reported"] * 20)
    one.step()
    with reading(engine) as session:
        assert session.scalar(place) == before
    happen(engine, *["trial_reported"] * 500)
    one.step()
    with reading(engine) as session:
        assert session.scalar(place) == before + 520


def test_two_webhooks_are_told_of_the_same_event_apart(
    engine: Engine, epoch: int, receiver: Receiver, clock: Clock
) -> None:
    both = [notifier(engine, epoch, receiver, clock, name=name) for name in ("ci", "chat")]
    for one in both:
        one.step()
    happen(engine, "study_failed")
    for one in both:
        one.step()
    assert sorted(row.webhook for row in rows(engine)) == ["chat", "ci"]
    assert len({json.loads(got.body)["delivery_id"] for got in receiver.got}) == 2


def test_what_others_changed_meanwhile_is_not_overwritten(
    engine: Engine, epoch: int, receiver: Receiver, clock: Clock
) -> None:
    one = notifier(engine, epoch, receiver, clock)
    one.step()
    happen(engine, "study_failed")

    def recorded_elsewhere(*_: Any) -> Outcome:
        with transaction(engine) as session:
            session.execute(update(Delivery).values(status="delivered", attempts=1))
        return Outcome(500)

    one.send = recorded_elsewhere
    one.step()
    assert [(row.status, row.attempts) for row in rows(engine)] == [("delivered", 1)]


def test_webhooks_that_are_configured_no_more_are_given_up(
    engine: Engine, epoch: int, receiver: Receiver, clock: Clock
) -> None:
    receiver.codes = [500]
    both = [notifier(engine, epoch, receiver, clock, name=name) for name in ("ci", "chat")]
    for one in both:
        one.step()
    happen(engine, "study_failed")
    for one in both:
        one.step()
    with transaction(engine) as session:
        deliveries.retire(session, ["ci"], error="gone")
    found = {row.webhook: (row.status, row.last_error) for row in rows(engine)}
    assert found == {"ci": ("pending", "answered 500"), "chat": ("failed", "gone")}
    happen(engine, "study_failed")
    both[1].step()  # configured again: it begins anew
    assert [row.webhook for row in rows(engine)].count("chat") == 1


def test_deliveries_are_made_in_the_order_of_events(
    engine: Engine, epoch: int, receiver: Receiver, clock: Clock
) -> None:
    one = notifier(engine, epoch, receiver, clock)
    one.step()
    for number in range(5):
        happen(engine, "study_failed", error=f"no {number}")
    one.step()
    assert [json.loads(got.body)["data"]["error"] for got in receiver.got] == [
        "no 0", "no 1", "no 2", "no 3", "no 4",
    ]  # fmt: skip
