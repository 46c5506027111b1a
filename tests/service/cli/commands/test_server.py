"""`metaopt serve` as a process: it is ready, mends itself, drains, and leaves nobody behind."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi import FastAPI
from sqlalchemy import select

from service.cli.commands.demo import free_port
from service.cli.commands.server import listen, server_config
from service.client.client import Client
from service.client.errors import ClientError
from service.db.engine import open_engine, reading
from service.db.tables import Attempt, DispatcherRow, Trial
from service.settings import Settings
from tests.fakes.processes import children, runs
from tests.fakes.specs import small_spec
from tests.service.cli.conftest import Command
from tests.waiting import wait_until

pytestmark = pytest.mark.slow


class Service:
    """A `metaopt serve` of this test."""

    def __init__(self, directory: Path) -> None:
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        self.settings = Settings(data_directory=directory)
        inherited = {k: v for k, v in os.environ.items() if not k.startswith("METAOPT_")}
        settings = {"METAOPT_DATA_DIRECTORY": str(directory), "METAOPT_SLOTS": "1"}
        settings |= {"METAOPT_COMPILE": "never"}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "service.cli", "serve", "--port", str(port)],
            env={**inherited, **settings},
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def is_ready(self) -> bool:
        """Return whether it answers that everything is there."""
        assert self.process.poll() is None, "serve ended"
        try:
            with Client(self.url) as client:
                return client.readiness() is None
        except ClientError:
            return False

    def dispatcher(self) -> int | None:
        """Return the process id of its dispatcher."""
        listing = Path(f"/proc/{self.process.pid}/task").glob("*/children")
        children = " ".join(path.read_text() for path in listing).split()
        return int(children[0]) if children else None


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    service = Service(tmp_path)
    try:
        wait_until(service.is_ready, 60, what="readiness")
        yield service
    finally:
        service.process.kill()
        service.process.wait()


def test_nobody_is_asked_to_speak_websocket_whatever_is_installed() -> None:
    assert server_config(Settings(), FastAPI()).ws == "none"  # or each would be a logged error


def is_gone(process_id: int) -> bool:
    try:
        stat = Path(f"/proc/{process_id}/stat").read_text()
    except OSError:
        return True
    return stat.rpartition(")")[2].split()[0] == "Z"


def test_serve_mends_its_dispatcher_and_drains(service: Service) -> None:
    first = service.dispatcher()
    assert first is not None
    os.kill(first, signal.SIGKILL)
    wait_until(lambda: service.dispatcher() not in (None, first), what="a second dispatcher")
    second = service.dispatcher()
    engine = open_engine(service.settings.url())

    def epoch() -> int | None:
        with reading(engine) as session:
            return session.scalar(select(DispatcherRow.epoch))

    wait_until(lambda: epoch() == 2, 60, what="the second dispatcher's epoch")
    engine.dispose()
    service.process.send_signal(signal.SIGTERM)
    assert service.process.wait(60) == 0
    assert second is not None and is_gone(second)


def test_serve_replaces_a_dispatcher_that_is_frozen(service: Service) -> None:
    with Client(service.url) as client:
        budget = {"trials": 2, "meta_iterations": 1_000_000}
        client.submit(small_spec(budget=budget, pruning={"kind": "none"}))
    engine = open_engine(service.settings.url())

    def told() -> list[tuple[int, str, int]]:
        with reading(engine) as session:
            query = select(Attempt.epoch, Attempt.outcome, Trial.attempts).join(Trial)
            return [(epoch, outcome, charged) for epoch, outcome, charged in session.execute(query)]

    def trains(epoch: int) -> bool:
        with reading(engine) as session:
            ages = session.scalars(select(Trial.meta_iteration).where(Trial.epoch == epoch))
            return any(age > 10 for age in ages)

    wait_until(lambda: trains(1), 60, what="a trial that trains")
    frozen = service.dispatcher()
    assert frozen is not None
    workers = children(frozen)
    os.kill(frozen, signal.SIGSTOP)
    wait_until(lambda: is_gone(frozen), 20, what="the end of the frozen one")
    wait_until(lambda: not any(map(runs, workers)), 5, what="the end of its workers")
    wait_until(lambda: trains(2), 60, what="a trial that trains on")
    wait_until(service.is_ready, 20, what="readiness")
    assert {outcome for epoch, outcome, _ in told() if epoch == 1} <= {"evicted", "lost"}
    assert {charged for *_, charged in told()} == {0}
    engine.dispose()


def test_an_interrupted_serve_keeps_the_segments_that_run(service: Service) -> None:
    budget = {"trials": 2, "meta_iterations": 1_000_000}
    with Client(service.url) as client:
        client.submit(small_spec(budget=budget, pruning={"kind": "none"}))
    engine = open_engine(service.settings.url())

    def attempts() -> list[tuple[str, int]]:
        with reading(engine) as session:
            rows = session.execute(select(Attempt.outcome, Trial.meta_iteration).join(Trial))
            return [(outcome, age) for outcome, age in rows]

    wait_until(lambda: any(age > 10 for _, age in attempts()), 60, what="a trial that trains")
    service.process.send_signal(signal.SIGINT)
    assert service.process.wait(60) == 0
    assert attempts() and {outcome for outcome, _ in attempts()} == {"evicted"}
    engine.dispose()


def test_a_killed_serve_leaves_no_dispatcher(service: Service) -> None:
    dispatcher = service.dispatcher()
    assert dispatcher is not None
    service.process.kill()
    service.process.wait()
    wait_until(lambda: is_gone(dispatcher), what="the dispatcher's end")


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_an_answer_is_sent_at_once(host: str) -> None:
    with listen(host, 0) as listener, socket.create_connection(listener.getsockname()[:2]):
        with listener.accept()[0] as connection:
            assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_a_port_that_is_taken_is_said_so(metaopt: Command) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        said = metaopt("serve", "--port", str(taken.getsockname()[1]))
    assert said.code == 2
    assert "Address already in use" in said.err and "--port" in said.err


def test_listening_to_the_network_without_keys_is_refused(metaopt: Command) -> None:
    said = metaopt("serve", "--host", "0.0.0.0", "--port", "0")
    assert said.code == 2
    assert "METAOPT_API_KEYS_FILE" in said.err


def test_the_api_alone_wants_tables_that_are_there(metaopt: Command) -> None:
    said = metaopt("api", "--host", "0.0.0.0", "--port", "0")
    assert said.code == 2
    assert "metaopt db upgrade" in said.err
