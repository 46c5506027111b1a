"""A command line at work: a real server on SQLite, and commands run in this process."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
import uvicorn
from sqlalchemy import URL, Engine

from service.app import create_app
from service.cli.main import run
from service.db.engine import open_engine
from service.settings import Settings
from tests.fakes.processes import DispatcherProcess
from tests.waiting import wait_until


class Said(NamedTuple):
    """What a command said."""

    code: int
    out: str
    err: str


Command = Callable[..., Said]


@pytest.fixture
def metaopt(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Command:
    """Return what runs a command in an environment of its own."""
    monkeypatch.setenv("METAOPT_DATA_DIRECTORY", str(tmp_path / "data"))
    for name in ("METAOPT_URL", "METAOPT_API_KEY", "METAOPT_DATABASE_URL"):
        monkeypatch.delenv(name, raising=False)

    def command(*arguments: str) -> Said:
        capsys.readouterr()
        code = run(arguments)
        said = capsys.readouterr()
        return Said(code, said.out, said.err)

    return command


@pytest.fixture
def api(
    metaopt: Command,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    make_tables: Callable[[URL], None],
) -> Iterator[Engine]:
    """Serve the API to the commands; yield its database.  No dispatcher works on it."""
    settings = Settings(data_directory=tmp_path / "server")
    make_tables(settings.url())
    engine = open_engine(settings.url())
    app = create_app(settings)
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="error"))
    thread = threading.Thread(target=server.run)
    thread.start()
    wait_until(lambda: server.started, 20, what="the server's start")
    port = server.servers[0].sockets[0].getsockname()[1]
    monkeypatch.setenv("METAOPT_URL", f"http://127.0.0.1:{port}")
    yield engine
    app.state.context.stopping.set()
    server.should_exit = True
    thread.join(10)
    engine.dispose()


@pytest.fixture
def at_work(api: Engine, tmp_path: Path) -> Iterator[Engine]:
    """Yield the database of a whole server: API and a dispatcher with workers."""
    dispatcher = DispatcherProcess(str(api.url), tmp_path / "server")
    yield api
    dispatcher.close()
