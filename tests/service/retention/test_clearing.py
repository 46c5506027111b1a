"""What is cleared, and what stays: on both databases, by a clock that is set by hand."""

import threading
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine, func, insert, select

from service.client.stream import StreamedEvent, read_events
from service.db import retention as rows
from service.db.engine import reading, transaction
from service.db.events import append_event, event_row
from service.db.tables import (
    Ask,
    Base,
    Baseline,
    BrowserSession,
    Delivery,
    Event,
    IdempotencyKey,
    Notified,
    Report,
    Schedule,
    ScheduleRun,
    Segment,
    Study,
    Trial,
    Weights,
)
from service.retention import clearing
from service.retention.files import Directories
from service.retention.rules import Keep
from tests.fakes.rows import (
    NOON,
    add_report,
    add_segment,
    add_study,
    add_trial,
    add_winner,
    end_trial,
    finish_study,
)
from tests.fakes.specs import SPEC

OLD, YOUNG, OPEN = "a" * 32, "b" * 32, "c" * 32
END = NOON + timedelta(hours=2)
DAY = timedelta(days=1)
ALL = Keep(*[30 * DAY] * 5)
LATER = END + 40 * DAY
RUNS = "skipped", "submitted", "refused", "waiting", "skipped", "skipped"
STARTED = event_row(OLD, "trial_started", {"trial_number": 0}, now=NOON)
MANY = 2 * clearing.PIECE + 20


@pytest.fixture
def places(tmp_path: Path) -> Directories:
    found = Directories(tmp_path / "programs", tmp_path / "logs")
    for directory in found:
        directory.mkdir()
    return found


Clear = Callable[..., Counter[str]]


@pytest.fixture
def clear(engine: Engine, places: Directories) -> Clear:
    def once(keep: Keep = ALL, now: Any = LATER) -> Counter[str]:
        found: Counter[str] = Counter()
        for piece in clearing.clear(engine, places, keep, now):
            found[piece.what] += piece.amount
        return +found

    return once


@pytest.fixture
def studies(engine: Engine) -> None:
    """Write a study that ended long ago, one that ended lately, and one that goes on."""
    with transaction(engine) as session:
        for study_id, ended in ((OLD, END), (YOUNG, LATER - DAY), (OPEN, None)):
            study = add_study(session, study_id)
            trial = add_trial(session, 0, study_id=study_id)
            add_report(session, trial, 10, 0.5)
            for _ in range(3):
                add_segment(session, study_id)
            session.add(_ask(study_id))
            if ended is not None:
                end_trial(session, trial, "completed")
                finish_study(session, study, 0)
                study.finished_at = ended
        add_winner(session, session.get_one(Study, OLD))


def _ask(study_id: str) -> Ask:
    named = {"study_id": study_id, "branch": "maml", "sequence": 0, "trial_number": 0}
    return Ask(**named, kind="ask", params={})


def kinds(engine: Engine, study_id: str = OLD) -> list[str]:
    with reading(engine) as session:
        query = select(Event.kind).where(Event.study_id == study_id)
        return list(session.scalars(query.order_by(Event.event_id)))


def number_of(engine: Engine, table: type[Base], *where: Any) -> int:
    with reading(engine) as session:
        return session.scalar(select(func.count()).select_from(table).where(*where)) or 0


def record(engine: Engine) -> list[Any]:
    """What studies found, all of it."""
    tables = Study, Trial, Report, Ask, Weights, Baseline
    with reading(engine) as session:
        return [session.execute(select(table.__table__)).all() for table in tables]


def add_many_events(engine: Engine, count: int = MANY) -> None:
    with transaction(engine) as session:
        session.execute(insert(Event), [STARTED] * count)


def test_a_study_that_ended_long_ago_keeps_its_end_and_all_that_it_found(
    engine: Engine, studies: None, clear: Clear
) -> None:
    before, young, running = record(engine), kinds(engine, YOUNG), kinds(engine, OPEN)
    assert clear() == {"events": 4, "segments": 3}
    assert kinds(engine) == ["events_cleared", "study_completed", "segments_cleared"]
    assert record(engine) == before
    assert (kinds(engine, YOUNG), kinds(engine, OPEN)) == (young, running)
    assert number_of(engine, Segment, Segment.study_id == YOUNG) == 3
    assert clear() == {}


def test_nothing_goes_before_its_time_or_where_it_is_kept_for_ever(
    engine: Engine, studies: None, clear: Clear
) -> None:
    before = kinds(engine)
    assert clear(now=END + 30 * DAY) == {}
    assert clear(Keep(None, None, None, None, None, None, None)) == {}
    assert kinds(engine) == before


def test_a_reader_who_asks_for_older_events_is_told_that_they_are_gone(
    engine: Engine, client: TestClient, clear: Clear
) -> None:
    with transaction(engine) as session:
        study = add_study(session, OLD)
        session.execute(insert(Event), [STARTED] * MANY)
        finish_study(session, study)

    def stream(after: int) -> list[StreamedEvent]:
        answer = client.get(f"/api/v1/studies/{OLD}/events", headers={"Last-Event-ID": str(after)})
        return list(read_events(answer.text.split("\n")))

    ids = [event.event_id for event in stream(0)]
    clear()
    for after in (0, ids[1], ids[-3]):
        told, end = stream(after)
        assert (told.kind, told.data["events"]) == ("events_cleared", MANY + 1)
        assert (told.event_id, end.event_id) == (ids[-2], ids[-1])
    assert [event.kind for event in stream(ids[-2])] == ["study_completed"]


def test_no_event_gets_the_id_of_one_that_is_gone(
    engine: Engine, studies: None, clear: Clear
) -> None:
    add_many_events(engine, 3)  # after its end, as those of a drift are
    with reading(engine) as session:
        greatest = session.scalar(select(func.max(Event.event_id))) or 0
    clear(ALL._replace(segments=None))
    with transaction(engine) as session:
        append_event(session, OPEN, "study_paused", {}, now=LATER)
    with reading(engine) as session:
        assert (session.scalar(select(func.max(Event.event_id))) or 0) > greatest


def test_a_pass_that_is_cut_off_goes_on_where_it_was(
    engine: Engine, studies: None, clear: Clear, places: Directories
) -> None:
    add_many_events(engine)
    pieces = clearing.clear(engine, places, ALL, LATER)
    assert next(pieces).amount == clearing.PIECE
    pieces.close()
    assert "events_cleared" in kinds(engine)  # also now: a reader knows
    assert clear()["events"] == MANY + 4 - clearing.PIECE
    with reading(engine) as session:
        query = select(Event.data).where(Event.kind == "events_cleared")
        assert session.scalars(query).all() == [{"events": MANY + 4}]


def test_two_may_clear_at_once(engine: Engine, studies: None, clear: Clear) -> None:
    add_many_events(engine)
    found: list[Counter[str]] = []
    threads = [threading.Thread(target=lambda: found.append(clear())) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sum(found, Counter()) == {"events": MANY + 4, "segments": 3}
    assert sorted(kinds(engine)) == ["events_cleared", "segments_cleared", "study_completed"]


def test_events_wait_until_every_webhook_has_taken_them_in(
    engine: Engine, studies: None, clear: Clear
) -> None:
    with transaction(engine) as session:
        first = session.scalar(select(func.min(Event.event_id)).where(Event.study_id == OLD)) or 0
        session.add(Notified(webhook="slow", since_event_id=0, last_event_id=first))
        session.add(Notified(webhook="quick", since_event_id=0, last_event_id=first + 1000))
    assert clear()["events"] == 1
    with transaction(engine) as session:
        session.get_one(Notified, "slow").last_event_id = first + 1000
    assert clear()["events"] == 3


def test_deliveries_go_that_are_over_and_no_webhook_looks_back_to(
    engine: Engine, studies: None, clear: Clear
) -> None:
    with transaction(engine) as session:
        last = session.scalar(select(func.max(Event.event_id))) or 0
        events = list(session.scalars(select(Event.event_id).order_by(Event.event_id).limit(2)))
        session.add(Notified(webhook="near", since_event_id=0, last_event_id=last))
        session.add(
            Notified(webhook="far", since_event_id=0, last_event_id=last + rows.LATE_EVENTS)
        )
        session.flush()
        for webhook, event_id, status, created_at in (
            ("near", events[0], "delivered", NOON),  # else it would be told again
            ("near", None, "failed", NOON),  # of a test
            ("far", events[0], "delivered", NOON),
            ("far", events[1], "pending", NOON),
            ("far", None, "delivered", LATER - DAY),
            ("gone", events[0], "failed", NOON),
        ):
            session.add(Delivery(
                delivery_id=f"{webhook} {event_id} {status}"[:32], webhook=webhook, event="test",
                event_id=event_id, body="{}", status=status, created_at=created_at,
            ))  # fmt: skip
    assert clear(ALL._replace(events=None, segments=None)) == {"deliveries": 3}
    with reading(engine) as session:
        left = session.execute(select(Delivery.webhook, Delivery.status)).all()
    assert sorted(map(tuple, left)) == [
        ("far", "delivered"), ("far", "pending"), ("near", "delivered"),
    ]  # fmt: skip


def test_runs_go_that_came_to_nothing_but_for_the_newest(
    engine: Engine, studies: None, clear: Clear
) -> None:
    hours = [NOON + timedelta(hours=hour) for hour in range(6)]
    with transaction(engine) as session:
        for name, count in (("one", 6), ("two", 1)):
            session.add(Schedule(
                schedule_id=name, name=name, cron="0 * * * *", time_zone="UTC", catch_up="once",
                overlap="skip", seed="fresh", spec=SPEC, planned_to=NOON, created_at=NOON,
            ))  # fmt: skip
            session.flush()
            for hour, status in zip(hours, RUNS[:count], strict=False):
                study_id = OLD if status == "submitted" else None
                session.add(ScheduleRun(schedule_id=name, fire_at=hour, status=status,
                                        study_id=study_id, created_at=NOON))  # fmt: skip
    assert clear(ALL._replace(events=None, segments=None)) == {"runs": 3}
    with reading(engine) as session:
        left = session.execute(select(ScheduleRun.schedule_id, ScheduleRun.status)).all()
    assert sorted(map(tuple, left)) == [
        ("one", "skipped"), ("one", "submitted"), ("one", "waiting"), ("two", "skipped"),
    ]  # fmt: skip


def test_idempotency_keys_and_sessions_of_long_ago_go(
    engine: Engine, studies: None, clear: Clear
) -> None:
    with transaction(engine) as session:
        for number in range(clearing.PIECE + 3):
            session.add(IdempotencyKey(key=f"old {number}", api_key_id="", body_sha256="0" * 64,
                                       study_id=OLD, created_at=NOON))  # fmt: skip
        session.add(IdempotencyKey(key="new", api_key_id="", body_sha256="0" * 64,
                                   study_id=OLD, created_at=LATER - DAY))  # fmt: skip
        for sha256, until in (("0" * 64, LATER - DAY), ("1" * 64, LATER + DAY)):
            session.add(BrowserSession(session_sha256=sha256, key_sha256=sha256, project="default",
                                       created_at=NOON, expires_at=until))  # fmt: skip
    keep = ALL._replace(events=None, segments=None)
    assert clear(keep) == {"idempotency keys": clearing.PIECE + 3, "sessions": 1}
    assert number_of(engine, IdempotencyKey) == number_of(engine, BrowserSession) == 1


def test_what_would_go_is_counted_without_a_change(
    engine: Engine, studies: None, clear: Clear, places: Directories
) -> None:
    (places.logs / "worker-cpu-0.log").write_bytes(bytes(100))
    keep = ALL._replace(log_bytes=50)
    would = clearing.count(engine, places, keep, LATER)
    assert +Counter(would) == {"events": 4, "segments": 3, "bytes of logs": 100}
    assert len(kinds(engine)) == 5
    assert clear(keep) == +Counter(would)
    assert not +Counter(clearing.count(engine, places, keep, LATER))
