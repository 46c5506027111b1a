"""Many readers of a study's events: one look for all, and a slow one holds up nobody."""

import asyncio
import dataclasses
import json
import time
from collections.abc import Awaitable, Callable
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI
from sqlalchemy import Engine
from sqlalchemy.event import listen
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from service.api.streaming import feeds
from service.client.stream import read_events
from service.db.engine import transaction
from service.db.events import append_event
from service.db.tables import Study
from tests.fakes.rows import NOON, add_study

STUDY = "a" * 32
POLL_SECONDS = 0.05
READERS = 20


class Reader:
    """A client of the event stream, without a network: what it got, and a way to make it slow."""

    def __init__(
        self,
        app: FastAPI,
        last_event_id: int = 0,
        study_id: str = STUDY,
        host: str = "127.0.0.1",
    ) -> None:
        self.body = b""
        self.status, self.headers = 0, []
        self._study_id, self._host = study_id, host
        self.may_take = asyncio.Event()
        self.may_take.set()
        self._last = str(last_event_id).encode()
        self._gone = asyncio.Event()
        self.task = asyncio.create_task(self._read(app))

    def numbers(self) -> list[int]:
        """The trials that it was told of."""
        events = read_events(self.body.decode().split("\n"))
        return [event.data["trial_number"] for event in events if "trial_number" in event.data]

    async def _read(self, app: FastAPI) -> None:
        scope = {
            "type": "http", "http_version": "1.1", "method": "GET", "scheme": "http",
            "path": f"/api/v1/studies/{self._study_id}/events",
            "query_string": b"", "root_path": "",
            "headers": [(b"host", b"localhost"), (b"last-event-id", self._last)],
            "client": (self._host, 1), "server": ("127.0.0.1", 80),
        }  # fmt: skip
        asked = [{"type": "http.request", "body": b"", "more_body": False}]

        async def receive() -> Any:
            if asked:
                return asked.pop()
            await self._gone.wait()

        async def send(message: Any) -> None:
            await self.may_take.wait()
            self.body += message.get("body", b"")
            if "status" in message:
                self.status, self.headers = message["status"], message["headers"]

        await app(scope, receive, send)


async def until(holds: Callable[[], bool]) -> None:
    """Wait for something that can be observed."""
    deadline = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.01)


def tell(engine: Engine, *numbers: int) -> None:
    with transaction(engine) as session:
        for number in numbers:
            append_event(session, STUDY, "trial_started", {"trial_number": number}, now=NOON)
            session.flush()


def end(engine: Engine) -> None:
    with transaction(engine) as session:
        session.get_one(Study, STUDY).status = "cancelled"
        append_event(session, STUDY, "study_cancelled", {}, now=NOON)


def run(app: FastAPI, engine: Engine, body: Callable[[], Awaitable[None]]) -> None:
    context = app.state.context
    app.state.context = dataclasses.replace(context, poll_seconds=POLL_SECONDS)
    with transaction(engine) as session:
        add_study(session)
    tell(engine, 0, 1)

    async def whole() -> None:
        await asyncio.wait_for(body(), 120)  # type: ignore[arg-type]
        await until(lambda: len(asyncio.all_tasks()) == 1)  # no look is left under way

    asyncio.run(whole())
    context.engine.dispose()


def test_all_readers_of_a_study_share_its_looks(app: FastAPI, engine: Engine) -> None:
    looks: list[str] = []

    def collect(_c: object, _u: object, statement: str, *_: object) -> None:
        if "FROM mo_events" in statement and "LIMIT" in statement:
            looks.append(statement)

    listen(app.state.context.engine, "before_cursor_execute", collect)

    async def body() -> None:
        readers = [Reader(app) for _ in range(READERS)]
        await until(lambda: all(reader.numbers() == [0, 1] for reader in readers))
        tell(engine, 2)
        await until(lambda: all(reader.numbers() == [0, 1, 2] for reader in readers))
        looks.clear()
        begun = time.monotonic()
        for number in range(3, 8):
            tell(engine, number)
            wanted = list(range(number + 1))
            await until(lambda wanted=wanted: all(r.numbers() == wanted for r in readers))
        polls = (time.monotonic() - begun) / POLL_SECONDS
        assert 5 <= len(looks) <= polls + 5 + 2  # a second look where the first brought something
        end(engine)
        await asyncio.gather(*(reader.task for reader in readers))
        assert {reader.body for reader in readers} == {readers[0].body}
        assert readers[0].body.count(b"event: study_cancelled") == 1

    run(app, engine, body)
    assert app.state.context.feeds._hubs == {}


def test_a_reader_that_takes_nothing_holds_up_nobody(
    app: FastAPI, engine: Engine, monkeypatch: Any
) -> None:
    monkeypatch.setattr(feeds, "MOST_WAITING", 3)

    async def body() -> None:
        quick, slow = Reader(app), Reader(app)
        await until(lambda: quick.numbers() == slow.numbers() == [0, 1])
        slow.may_take.clear()
        for number in range(2, 12):  # more than is kept for it
            tell(engine, number)
            await until(lambda number=number: quick.numbers()[-1] == number)
        assert slow.numbers() == [0, 1]
        slow.may_take.set()
        end(engine)
        await asyncio.gather(quick.task, slow.task)
        assert quick.numbers() == slow.numbers() == list(range(12))

    run(app, engine, body)


def test_a_reader_that_comes_back_joins_the_others(app: FastAPI, engine: Engine) -> None:
    async def body() -> None:
        first = Reader(app)
        await until(lambda: first.numbers() == [0, 1])
        tell(engine, 2, 3)
        await until(lambda: first.numbers() == [0, 1, 2, 3])
        ids = [e.event_id for e in read_events(first.body.decode().split("\n"))]
        second = Reader(app, last_event_id=ids[2])
        await until(lambda: second.numbers() == [2, 3])
        tell(engine, 4)
        end(engine)
        await asyncio.gather(first.task, second.task)
        assert (first.numbers(), second.numbers()) == ([0, 1, 2, 3, 4], [2, 3, 4])

    run(app, engine, body)


def test_who_waits_for_the_end_shares_the_looks(app: FastAPI, engine: Engine) -> None:
    asked: list[str] = []
    listen(app.state.context.engine, "before_cursor_execute", lambda *given: asked.append(given[2]))

    async def body() -> None:
        transport = httpx2.ASGITransport(app)
        async with httpx2.AsyncClient(transport=transport, base_url="http://localhost") as client:
            url = f"/api/v1/studies/{STUDY}?wait=30"
            waiting = [asyncio.create_task(client.get(url, timeout=60)) for _ in range(READERS)]
            hubs = app.state.context.feeds._hubs
            await until(lambda: sum(hub.count for hub in hubs.values()) == READERS)
            asked.clear()
            begun = time.monotonic()
            await until(lambda: len(asked) > 30)
            polls = (time.monotonic() - begun) / POLL_SECONDS
            assert sum("FROM mo_trials" in statement for statement in asked) == 0
            assert sum("FROM mo_studies" in statement for statement in asked) <= READERS
            assert sum("FROM mo_events" in statement for statement in asked) <= polls + 2
            end(engine)
            answers = await asyncio.gather(*waiting)
        assert {answer.json()["status"] for answer in answers} == {"cancelled"}

    run(app, engine, body)


def test_a_reader_from_the_future_costs_the_others_no_looks(app: FastAPI, engine: Engine) -> None:
    looks: list[str] = []

    def collect(_c: object, _u: object, statement: str, *_: object) -> None:
        if "FROM mo_events" in statement:
            looks.append(statement)

    listen(app.state.context.engine, "before_cursor_execute", collect)

    async def body() -> None:
        future = Reader(app, last_event_id=10**12)
        await until(lambda: app.state.context.feeds._hubs != {})
        reader = Reader(app)
        await until(lambda: reader.numbers() == [0, 1])
        looks.clear()
        begun = time.monotonic()
        for number in range(2, 8):
            tell(engine, number)
            await until(lambda number=number: reader.numbers()[-1] == number)
            await asyncio.sleep(2 * POLL_SECONDS)  # time in which to look too often
        polls = (time.monotonic() - begun) / POLL_SECONDS
        assert len(looks) <= polls + 6 + 4
        end(engine)
        await asyncio.gather(future.task, reader.task)
        assert (future.numbers(), reader.numbers()) == ([], list(range(8)))

    run(app, engine, body)


def test_readers_of_many_studies_cost_one_look_a_poll(app: FastAPI, engine: Engine) -> None:
    looks: list[str] = []

    def collect(_c: object, _u: object, statement: str, *_: object) -> None:
        if "FROM mo_" in statement:
            looks.append(statement)

    listen(app.state.context.engine, "before_cursor_execute", collect)
    others = [f"{number:032x}" for number in range(10)]
    with transaction(engine) as session:
        for study_id in others:
            add_study(session, study_id)

    async def body() -> None:
        readers = [Reader(app, study_id=study_id) for study_id in others for _ in range(2)]
        await until(lambda: all(b"study_submitted" in reader.body for reader in readers))
        hub = next(iter(app.state.context.feeds._hubs.values()))
        await until(lambda: all(one._wake for some in hub.readers.values() for one in some))
        looks.clear()
        begun = time.monotonic()
        await until(lambda: time.monotonic() > begun + 10 * POLL_SECONDS)
        assert 2 <= len(looks) <= (time.monotonic() - begun) / POLL_SECONDS + 2
        with transaction(engine) as session:
            for study_id in others:
                session.get_one(Study, study_id).status = "cancelled"
                append_event(session, study_id, "study_cancelled", {}, now=NOON)
        await asyncio.gather(*(reader.task for reader in readers))
        assert [reader.body.count(b"event: study_cancelled") for reader in readers] == [1] * 20

    run(app, engine, body)


@pytest.mark.postgres
@pytest.mark.parametrize("database_url", ["postgres"], indirect=True)
def test_an_event_that_is_committed_late_is_not_lost(app: FastAPI) -> None:
    """On PostgreSQL one with a lower id may come after one with a greater id."""
    engine = app.state.context.engine

    async def body() -> None:
        reader = Reader(app)
        await until(lambda: reader.numbers() == [0, 1])
        with Session(engine) as late, late.begin():
            append_event(late, STUDY, "trial_started", {"trial_number": 2}, now=NOON)
            late.flush()
            tell(engine, 3)
            await until(lambda: reader.numbers() == [0, 1, 3])
        await until(lambda: reader.numbers() == [0, 1, 3, 2])
        tell(engine, 4)
        await until(lambda: reader.numbers() == [0, 1, 3, 2, 4])
        end(engine)
        await reader.task

    run(app, engine, body)


def test_a_database_that_is_away_ends_no_stream(app: FastAPI, engine: Engine) -> None:
    away = False

    def refuse(*_: object) -> None:
        if away:
            raise OperationalError("SELECT", {}, Exception("gone"))

    listen(app.state.context.engine, "before_cursor_execute", refuse)

    async def body() -> None:
        nonlocal away
        reader = Reader(app)
        await until(lambda: reader.numbers() == [0, 1])
        hub = next(iter(app.state.context.feeds._hubs.values()))
        await until(lambda: all(one._wake for one in hub.readers[STUDY]))
        away, looks = True, []
        hub._source = hub._source._replace(pause=lambda: _noting(looks))
        await until(lambda: len(looks) >= 3)
        away = False
        tell(engine, 2)
        await until(lambda: reader.numbers() == [0, 1, 2])
        end(engine)
        await reader.task

    run(app, engine, body)


async def _noting(looks: list[None]) -> None:
    looks.append(None)
    await asyncio.sleep(POLL_SECONDS)


def test_a_key_or_address_has_a_most_of_streams(app: FastAPI, engine: Engine) -> None:
    context = app.state.context
    context.streams.most = 3

    async def body() -> None:
        readers = [Reader(app) for _ in range(3)]
        await until(lambda: all(reader.numbers() == [0, 1] for reader in readers))
        refused = Reader(app)
        await refused.task
        problem = json.loads(refused.body)
        assert (refused.status, problem["code"]) == (429, "too-many-streams")
        assert "METAOPT_STREAMS_PER_KEY" in problem["detail"]
        assert (b"retry-after", b"5") in refused.headers
        elsewhere = Reader(app, host="127.0.0.2")
        await until(lambda: elsewhere.numbers() == [0, 1])
        readers.pop().task.cancel()
        await until(lambda: context.streams._open["127.0.0.1"] == 2)
        readers.append(Reader(app))
        await until(lambda: readers[-1].numbers() == [0, 1])
        end(engine)
        await asyncio.gather(elsewhere.task, *(reader.task for reader in readers))

    run(app, engine, body)
    assert not context.streams._open


def test_whatever_ends_a_hub_is_raised_where_it_is_waited_for() -> None:
    async def pause() -> None:
        raise RuntimeError("no loop")

    async def body() -> None:
        source = feeds.Source(lambda _: [], lambda *_: ([], True), pause, lambda: False)
        with feeds.Feeds().following(source, STUDY) as (hub, reader):
            await hub.ready()
            reader.catch_up(0)
            with pytest.raises(RuntimeError, match="no loop"):
                await reader.wait(60)

    asyncio.run(body())
