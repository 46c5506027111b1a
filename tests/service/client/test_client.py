"""The client against a real server: uvicorn in a thread or a process, on a free port."""

import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import pytest
import uvicorn
from hypothesis import example, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from sqlalchemy import URL, Engine, func, select

from service.app import create_app
from service.client.client import Client, api_key_of
from service.client.errors import NotConfigured, ServerRefused, ServerUnreachable
from service.db.engine import open_engine, reading, transaction
from service.db.events import append_event
from service.db.tables import Study
from service.settings import Settings
from tests.fakes.rows import NOON, add_baseline, add_study, add_trial
from tests.fakes.specs import SPEC
from tests.properties import examples
from tests.waiting import wait_until

SERVER = """
import sys, uvicorn
from service.app import create_app
from service.settings import Settings
app = create_app(Settings(data_directory=sys.argv[1]))
uvicorn.run(app, port=int(sys.argv[2]), log_level="warning")
"""


@contextmanager
def serving(settings: Settings) -> Iterator[str]:
    app = create_app(settings)
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="error"))
    thread = threading.Thread(target=server.run)
    thread.start()
    wait_until(lambda: server.started, 20, what="the server's start")
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        app.state.context.stopping.set()
        server.should_exit = True
        thread.join(10)
        assert not thread.is_alive()


@pytest.fixture
def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@pytest.fixture
def local(tmp_path: Path, make_tables: Callable[[URL], None]) -> Iterator[tuple[Client, Engine]]:
    """Return a client of a real server on SQLite, and its database."""
    settings = Settings(data_directory=tmp_path)
    make_tables(settings.url())
    engine = open_engine(settings.url())
    with serving(settings) as url, Client(url) as client:
        yield client, engine
    engine.dispose()


def test_a_study_is_submitted_steered_and_followed(local: tuple[Client, Engine]) -> None:
    client, engine = local
    study = client.submit(SPEC)
    assert client.pause(study.study_id).status == "paused"
    assert client.resume(study.study_id).status == "queued"
    assert client.study(study.study_id).spec.name == SPEC["name"]
    assert client.cancel(study.study_id).status == "cancelled"
    kinds = [event.kind for event in client.events(study.study_id)]
    assert kinds == ["study_submitted", "study_paused", "study_resumed", "study_cancelled"]
    assert [found.study_id for found in client.studies(status="cancelled")] == [study.study_id]


def test_lists_follow_every_page(local: tuple[Client, Engine]) -> None:
    client, engine = local
    with transaction(engine) as session:
        add_study(session)
        for number in range(501):
            add_trial(session, number)
    trials = client.trials("a" * 32)
    assert [trial.trial_number for trial in trials] == list(range(501))
    assert len(client.trials("a" * 32, limit=7)) == 7
    assert client.reports("a" * 32, 0) == []


def test_a_refusal_carries_the_problem(local: tuple[Client, Engine]) -> None:
    client, _ = local
    with pytest.raises(ServerRefused) as caught:
        client.submit({**SPEC, "seed": float("nan")})
    assert caught.value.problem.code == "invalid-spec"
    assert caught.value.problem.errors[0].field == "seed"
    with pytest.raises(ServerRefused) as caught:
        client.result("f" * 32)
    assert caught.value.problem.status == 404
    with pytest.raises(ServerRefused, match="no study"):
        list(client.events("f" * 32))
    problem = client.readiness()
    assert problem is not None and "dispatcher" in problem.detail


def test_nobody_there_is_said_so_within_its_patience(free_port: int) -> None:
    url = f"http://127.0.0.1:{free_port}"
    with Client(url, patience_seconds=0.3) as client:
        with pytest.raises(ServerUnreachable, match=url):
            client.studies()
    with pytest.raises(ServerUnreachable):
        Client("http://[::1").studies()


def test_an_answer_lost_on_its_way_makes_no_second_study(local: tuple[Client, Engine]) -> None:
    real, engine = local

    class LosesTheFirstAnswer(httpx2.HTTPTransport):
        lost = False

        def handle_request(self, request: httpx2.Request) -> httpx2.Response:
            response = super().handle_request(request)
            if not self.lost:
                self.lost = True
                response.close()
                raise httpx2.ReadError("connection reset")
            return response

    transport = LosesTheFirstAnswer()
    with Client(real.url, transport=transport) as client:
        study = client.submit(SPEC)
    assert transport.lost
    with reading(engine) as session:
        assert session.scalar(select(func.count()).select_from(Study)) == 1
    assert real.study(study.study_id).status == "queued"


def test_events_go_on_where_a_broken_stream_ended(local: tuple[Client, Engine]) -> None:
    real, engine = local
    with transaction(engine) as session:
        add_study(session, status="completed")
        for number in range(20):
            data = {"trial_number": number}
            append_event(session, "a" * 32, "trial_started", data, now=NOON)
            session.flush()

    class BreaksStreams(httpx2.HTTPTransport):
        broken = 0

        def handle_request(self, request: httpx2.Request) -> httpx2.Response:
            response = super().handle_request(request)
            if request.url.path.endswith("/events") and self.broken < 3:
                self.broken += 1
                whole = response.read()
                response = httpx2.Response(200, stream=Cut(whole[: len(whole) // 2]))
            return response

    class Cut(httpx2.SyncByteStream):
        def __init__(self, content: bytes) -> None:
            self._content = content

        def __iter__(self) -> Iterator[bytes]:
            yield self._content
            raise httpx2.ReadError("connection reset")

    transport = BreaksStreams()
    with Client(real.url, transport=transport) as client:
        events = list(client.events("a" * 32))
    assert transport.broken == 3
    assert [event.data.get("trial_number") for event in events] == [None, *range(20)]


def test_a_server_with_open_streams_stops_at_once(
    tmp_path: Path, free_port: int, make_tables: Callable[[URL], None]
) -> None:
    make_tables(Settings(data_directory=tmp_path).url())
    server = subprocess.Popen([sys.executable, "-c", SERVER, str(tmp_path), str(free_port)])
    client = Client(f"http://127.0.0.1:{free_port}", patience_seconds=30)
    try:
        study = client.submit(SPEC)
        events = client.events(study.study_id)
        assert next(events).kind == "study_submitted"
        server.terminate()
        assert server.wait(8) in (0, -15)
    finally:
        server.kill()
        server.wait()
        client.close()


def test_it_waits_until_the_end_or_until_the_time_is_up(local: tuple[Client, Engine]) -> None:
    client, engine = local
    study = client.submit(SPEC)
    assert client.wait(study.study_id, 0.3).status == "queued"
    ender = threading.Timer(0.3, client.cancel, [study.study_id])
    ender.start()
    assert client.wait(study.study_id, 20).status == "cancelled"
    ender.join()


def test_what_adds_something_each_time_is_asked_for_once(local: tuple[Client, Engine]) -> None:
    real, engine = local

    class LosesAnswers(httpx2.HTTPTransport):
        asked = 0

        def handle_request(self, request: httpx2.Request) -> httpx2.Response:
            self.asked += 1
            super().handle_request(request).close()
            raise httpx2.ReadError("connection reset")

    with transaction(engine) as session:
        for _ in range(2):
            add_baseline(session)
    transport = LosesAnswers()
    with Client(real.url, transport=transport, patience_seconds=5) as client:
        with pytest.raises(ServerUnreachable):
            client.baselines.roll_back("main")
    assert transport.asked == 1
    assert [one.version for one in real.baselines.versions("main")] == [3, 2, 1]


def test_a_study_of_a_kind_that_this_machine_lacks_is_shown(
    local: tuple[Client, Engine],
) -> None:
    real, engine = local

    class Renames(httpx2.HTTPTransport):
        def handle_request(self, request: httpx2.Request) -> httpx2.Response:
            answer = super().handle_request(request).read().replace(b"sinusoid", b"parabola")
            return httpx2.Response(200, content=answer)

    with transaction(engine) as session:
        study_id = add_study(session).study_id
    with Client(real.url, transport=Renames()) as client:
        shown = client.study(study_id)
    assert (shown.spec.tasks.kind, shown.status) == ("parabola", "running")


def test_the_environment_names_server_and_key(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("mo_key\n")
    (tmp_path / "key of Windows").write_bytes("\ufeffmo_key\r\n".encode("utf-16-le"))
    with Client.from_environment({"METAOPT_URL": "http://127.0.0.1:9/"}) as client:
        assert client.url == "http://127.0.0.1:9"
    for name, value, rule in (
        ("METAOPT_URL", "127.0.0.1:8000", "must begin with http"),
        ("METAOPT_API_KEY_FILE", str(tmp_path / "nowhere"), "cannot be read"),
    ):
        with pytest.raises(NotConfigured, match=rule):
            Client.from_environment({name: value})

    class Sees(httpx2.BaseTransport):
        keys: list[str | None] = []

        def handle_request(self, request: httpx2.Request) -> httpx2.Response:
            self.keys.append(request.headers.get("Authorization"))
            return httpx2.Response(200, json={"items": [], "next_cursor": None})

    for variables in (
        {"METAOPT_API_KEY_FILE": str(tmp_path / "key")},
        {"METAOPT_API_KEY_FILE": str(tmp_path / "key of Windows")},
        {"METAOPT_API_KEY": "mo_key", "METAOPT_API_KEY_FILE": "/nowhere"},
    ):
        with Client("http://host", api_key_of(variables), transport=Sees()) as client:
            client.studies()
    assert Sees.keys == ["Bearer mo_key"] * 3


def test_a_name_is_one_part_of_a_path_whatever_is_in_it(local: tuple[Client, Engine]) -> None:
    client, _ = local
    study_id = client.submit(SPEC).study_id

    @hypothesis_settings(max_examples=examples(30))  # each is seven requests
    @given(st.text(max_size=12))
    @example("")
    @example("..")
    @example(f"x/../{study_id}")
    @example(f"{study_id}?wait=0")
    @example(f"{study_id}#x")
    @example(f"{study_id}/trials")
    @example(f"{study_id}:cancel")
    @example("\udcff")
    def refused(name: str) -> None:
        for call in (
            client.study, client.cancel, client.baselines.show, client.schedules.show,
            client.schedules.find, client.schedules.remove, client.webhooks.test,
        ):  # fmt: skip
            with pytest.raises(ServerRefused) as said:
                call(name)
            code = said.value.problem.code
            assert code.endswith("not-found") or code == "invalid-request", (call, name)

    refused()
    assert client.study(study_id).status == "queued"
