"""The event stream: replay, resume, end, heartbeat."""

import dataclasses
import json
import threading
from datetime import UTC, datetime

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from sqlalchemy import Engine
from sqlalchemy.event import listen

from service.client.stream import read_events
from service.db.engine import transaction
from service.db.events import append_event
from tests.fakes.local import local_client
from tests.fakes.rows import NOON, add_study
from tests.fakes.specs import SPEC
from tests.waiting import wait_until

URL = f"/api/v1/studies/{'a' * 32}/events"


@pytest.fixture
def ended(engine: Engine) -> list[int]:
    """Write an ended study with four events; return their ids."""
    with transaction(engine) as session:
        add_study(session, status="completed")
        add_study(session, "b" * 32)
        for number in range(3):
            data = {"trial_number": number}
            append_event(session, "a" * 32, "trial_started", data, now=NOON)
            session.flush()
    from sqlalchemy import select

    from service.db.tables import Event

    with transaction(engine) as session:
        query = select(Event.event_id).where(Event.study_id == "a" * 32)
        return list(session.scalars(query.order_by(Event.event_id)))


def test_an_ended_study_is_replayed_and_the_stream_ends(
    client: TestClient, ended: list[int]
) -> None:
    response = client.get(URL)
    assert response.headers["content-type"].startswith("text/event-stream")
    events = list(read_events(response.text.split("\n")))
    assert [event.event_id for event in events] == ended
    assert [event.data.get("trial_number") for event in events] == [None, 0, 1, 2]
    assert {event.data["study_id"] for event in events} == {"a" * 32}


def test_a_stream_goes_on_after_the_last_id(client: TestClient, ended: list[int]) -> None:
    for response in (
        client.get(URL, headers={"Last-Event-ID": str(ended[1])}),
        client.get(URL, params={"after": ended[1]}),
        client.get(URL, params={"after": 0}, headers={"Last-Event-ID": str(ended[1])}),
    ):
        events = list(read_events(response.text.split("\n")))
        assert [event.event_id for event in events] == ended[2:]


@pytest.mark.parametrize("last", ["x", "-1", "9" * 30, "1.5", ""])
def test_a_last_id_that_is_none_is_refused(client: TestClient, ended: list[int], last: str) -> None:
    response = client.get(URL, headers={"Last-Event-ID": last})
    assert response.status_code == 422
    assert response.json()["errors"][0]["field"] == "header.Last-Event-ID"


def test_events_come_as_they_happen_until_the_study_ends(client: TestClient) -> None:
    study = client.post("/api/v1/studies", json=SPEC).json()["study_id"]
    for verb in ("pause", "resume"):
        client.post(f"/api/v1/studies/{study}:{verb}")
    timer = threading.Timer(0.4, client.post, [f"/api/v1/studies/{study}:cancel"])
    timer.start()
    text = client.get(f"/api/v1/studies/{study}/events").text
    timer.join()
    assert [event.kind for event in read_events(text.split("\n"))] == [
        "study_submitted",
        "study_paused",
        "study_resumed",
        "study_cancelled",
    ]


def test_a_silent_stream_says_that_it_is_there_and_holds_no_connection(
    app: FastAPI, engine: Engine
) -> None:
    context = app.state.context
    app.state.context = dataclasses.replace(context, poll_seconds=0.05, heartbeat_seconds=0.1)
    looks: list[str] = []
    listen(context.engine, "before_cursor_execute", lambda *given: looks.append(given[2]))
    with local_client(app) as client:
        study = client.post("/api/v1/studies", json=SPEC).json()["study_id"]
        found: list[str] = []
        looks.clear()
        reader = threading.Thread(
            target=lambda: found.append(client.get(f"/api/v1/studies/{study}/events").text)
        )
        reader.start()
        # Looks are 0.05 s apart, so that as many take longer than several heartbeats.
        wait_until(lambda: sum("mo_events" in sql for sql in looks) >= 20, 30)
        wait_until(lambda: context.engine.pool.checkedout() == 0, 5)
        context.stopping.set()
        reader.join(10)
        assert not reader.is_alive()
    assert ": still here" in found[0]
    assert json.dumps(found[0]).count("study_submitted") == 1


def test_times_in_events_are_utc(client: TestClient) -> None:
    study = client.post("/api/v1/studies", json=SPEC).json()["study_id"]
    client.post(f"/api/v1/studies/{study}:cancel")
    text = client.get(f"/api/v1/studies/{study}/events").text
    for event in read_events(text.split("\n")):
        assert event.view().created_at.utcoffset() == datetime.now(UTC).utcoffset()
