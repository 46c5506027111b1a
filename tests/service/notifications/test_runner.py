"""The threads of the webhooks: they start and end with the epoch, and tell no secret to anybody."""

import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine, select
from structlog.testing import capture_logs

from service.app import create_app
from service.db.dispatcher import EpochLost, acquire
from service.db.engine import reading, transaction
from service.db.events import append_event
from service.db.tables import Base, Delivery, Notified
from service.notifications.config import load_webhooks
from service.notifications.notifier import Notifier
from service.notifications.retries import Outcome
from service.notifications.runner import notifying, run_notifier
from service.settings import Settings
from tests.fakes.local import local_client
from tests.fakes.receiver import PATH, SECRET, Receiver, receiving
from tests.fakes.rows import NOON, add_study
from tests.waiting import wait_until


@pytest.fixture
def epoch(engine: Engine) -> int:
    with transaction(engine) as session:
        add_study(session, status="completed")
        found = acquire(session, "this test", lambda holder: True)
    assert found is not None
    return found


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving(500, 200) as found:
        yield found


@pytest.fixture
def file(tmp_path: Path, receiver: Receiver) -> Path:
    path = tmp_path / "webhooks.json"
    entry = {
        "name": "ci",
        "url": f"http://127.0.0.1:{receiver.port}{PATH}?key=qu3ry",
        "secret": SECRET.decode(),
        "events": ["study_failed"],
        "allow": ["127.0.0.1"],
    }
    lost = {**entry, "allow": [], "name": "lost", "url": f"https://localhost{PATH}?key=qu3ry"}
    path.write_text(json.dumps([entry, lost]))
    return path


def threads() -> list[str]:
    return sorted(one.name for one in threading.enumerate() if one.name.startswith("webhook-"))


def attempts(engine: Engine) -> list[int]:
    with reading(engine) as session:
        return list(session.scalars(select(Delivery.attempts)))


def places(engine: Engine) -> set[str]:
    with reading(engine) as session:
        return set(session.scalars(select(Notified.webhook)))


def dump(engine: Engine) -> str:
    """Return everything in our tables as text."""
    with engine.connect() as connection:
        tables = Base.metadata.sorted_tables
        return "\n".join(str(row) for table in tables for row in connection.execute(select(table)))


def test_without_webhooks_nothing_is_started(database_url: str) -> None:
    with notifying([], database_url, 1):
        assert threads() == []


def test_an_epoch_that_is_over_starts_nothing(
    engine: Engine, epoch: int, file: Path, database_url: str
) -> None:
    with pytest.raises(EpochLost), notifying(load_webhooks(file), database_url, epoch - 1):
        pass
    assert threads() == []


def test_events_arrive_while_it_runs_and_no_secret_is_anywhere(
    engine: Engine,
    epoch: int,
    file: Path,
    receiver: Receiver,
    database_url: str,
    tmp_path: Path,
) -> None:
    with capture_logs() as logs, notifying(load_webhooks(file), database_url, epoch):
        assert threads() == ["webhook-ci", "webhook-lost"]
        wait_until(lambda: places(engine) == {"ci", "lost"}, what="the places of both webhooks")
        with transaction(engine) as session:
            append_event(session, "a" * 32, "study_failed", {"error": "no disk"}, now=NOON)
        wait_until(lambda: attempts(engine) == [1, 1], what="an attempt for each")
    assert threads() == []
    settings = Settings(data_directory=tmp_path, database_url=database_url, webhooks_file=file)
    with local_client(create_app(settings)) as client:
        answers = [
            client.get("/api/v1/webhooks").text,
            client.post("/api/v1/webhooks/ci:test").text,
            client.post("/api/v1/webhooks/none:test").text,
            client.get("/api/v1/deliveries").text,
            client.get("/openapi.json").text,
        ]
    assert len(receiver.got) == 1 and "answered 500" in dump(engine)
    assert "refused: localhost is at a loopback address" in answers[0]
    for place in (dump(engine), repr(logs), *answers):
        for secret in (SECRET.decode(), "t0ken", "qu3ry", repr(SECRET)[2:-1]):
            assert secret not in place


def test_a_failure_is_logged_and_tried_again(engine: Engine, epoch: int) -> None:
    stop = threading.Event()
    steps: list[int] = []

    class Failing(Notifier):
        def step(self) -> None:
            steps.append(1)
            stop.set()
            raise ValueError("with a s3cret")

    with receiving() as receiver, capture_logs() as logs:
        webhook = receiver.webhook()
        run_notifier(Failing(engine, webhook, epoch, lambda *_: Outcome(200), stop=stop))
    assert steps == [1]
    assert [(log["event"], log["cause"]) for log in logs] == [("webhook_stuck", "ValueError")]


def test_it_ends_with_its_epoch(engine: Engine, epoch: int) -> None:
    with receiving() as receiver, capture_logs() as logs:
        old = Notifier(engine, receiver.webhook(), epoch - 1, lambda *_: Outcome(200))
        run_notifier(old)
    assert [log["event"] for log in logs] == ["webhook_ended"]
