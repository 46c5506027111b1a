"""A server inside this process: API, dispatcher and workers of a data directory, and a client.

    client ──Unix socket──▶ API (thread) ──▶ SQLite ◀── dispatcher (thread) ──▶ workers

So a command that needs nothing but a directory takes the same way as one that talks to a server.
When it ends, the dispatcher drains: segments that run are finished, and the next one goes on from
there.
"""

import os
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

import httpx2
import structlog
import uvicorn

from metaopt.plugins.allowed import parse_allowed
from metaopt.plugins.sources import Sources
from service.cli.connection import tell_of_retries
from service.cli.console import say
from service.cli.exits import Exit, Stop
from service.client.client import Client
from service.client.errors import ServerRefused
from service.db.schema import migrate
from service.executors.plugins import Plugins, describe_plugins
from service.executors.slots import Found, find_slots, view_of
from service.settings import Settings
from service.wire.words.slots import broken_in_words, slots_in_words

URL = "http://127.0.0.1"  # nobody listens there: the client has a socket of its own
START_SECONDS = 60.0
POLL_SECONDS = 0.05
LONGEST_FOLDER_BYTES = 90  # the kernel takes 107 with the socket's own name
PATIENCE_SECONDS = 20.0


class InProcess(NamedTuple):
    """A client, and what raises `Stop` once nothing works for it any more."""

    client: Client
    check: Callable[[], None]


@contextmanager
def in_process(settings: Settings, files: Sequence[str] = ()) -> Iterator[InProcess]:
    """Yield a server on the data directory of `settings`.

    Args:
        files: Of Python, that its workers import.

    Raises:
        Stop: It cannot start, or its dispatcher has ended.
        NoDeviceWorks: GPUs were asked for, and none works.
    """
    found = find_slots(os.environ, settings.slots, settings.devices)
    for line in broken_in_words(view_of(found)):
        say(f"warning: {line}")
    if found.broken:
        say(f"training goes on with {slots_in_words(view_of(found))}")
    sources = Sources(parse_allowed(settings.plugins), tuple(files))
    plugins = describe_plugins(sources, found.slots, os.environ)
    for warning in plugins.refusals():
        say(f"warning: {warning}")
    migrate.upgrade(settings.url())
    with ExitStack() as stack:
        folder = Path(tempfile.mkdtemp(prefix="metaopt-"))
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        socket = stack.enter_context(_named_shortly(folder)) / "api"
        dispatcher = stack.enter_context(_dispatching(settings, found, plugins))
        stack.enter_context(_serving(settings, socket))
        tell_of_retries()
        transport = httpx2.HTTPTransport(uds=str(socket))
        client = Client(URL, patience_seconds=PATIENCE_SECONDS, transport=transport)
        at_work = InProcess(stack.enter_context(client), dispatcher.check)
        if sources:
            _wait_for_plugins(at_work)
        yield at_work
        say("draining: segments that run are finished and kept")


def _wait_for_plugins(at_work: InProcess) -> None:
    """Wait until the dispatcher has told of them, or a spec that names one would be refused."""
    while not _told_of_slots(at_work.client):
        at_work.check()
        time.sleep(POLL_SECONDS)


def _told_of_slots(client: Client) -> bool:
    try:
        return "slots" in client.checks()  # the last thing that it tells before it begins
    except ServerRefused:
        return False


@contextmanager
def _named_shortly(folder: Path) -> Iterator[Path]:
    """Yield the folder by a name that leaves room for a socket's, however deep TMPDIR lies."""
    if len(os.fsencode(folder)) <= LONGEST_FOLDER_BYTES or sys.platform != "linux":
        yield folder
        return
    descriptor = os.open(folder, os.O_PATH | os.O_DIRECTORY)
    try:
        yield Path(f"/proc/self/fd/{descriptor}")
    finally:
        os.close(descriptor)


@contextmanager
def _serving(settings: Settings, socket: Path) -> Iterator[None]:
    from service.app import create_app

    app = create_app(settings)
    config = uvicorn.Config(app, uds=str(socket), log_level="warning", timeout_graceful_shutdown=5)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, name="api", daemon=True)
    thread.start()
    deadline = time.monotonic() + START_SECONDS
    while not server.started:
        if not thread.is_alive() or time.monotonic() >= deadline:
            raise Stop(Exit.UNREACHABLE, "the API of this process did not start")
        time.sleep(POLL_SECONDS)
    try:
        yield
    finally:
        app.state.context.stopping.set()  # ends its streams
        server.should_exit = True
        thread.join(START_SECONDS)


class _Dispatcher:
    """The dispatcher in a thread; its log is a file."""

    def __init__(self, settings: Settings, found: Found, plugins: Plugins, log: Path) -> None:
        self._settings, self._found, self._plugins, self._log = settings, found, plugins, log
        self._stop = threading.Event()
        self._error: str | None = None
        self._thread = threading.Thread(target=self._run, name="dispatcher", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """Drain and end."""
        self._stop.set()
        self._thread.join()

    def check(self) -> None:
        """Raise `Stop` if it has ended by itself."""
        if not self._thread.is_alive():
            raise Stop(
                Exit.UNREACHABLE, f"the dispatcher has ended, see {self._log}: {self._error}"
            )

    def _run(self) -> None:
        from service.daemon import run  # Optuna takes a moment

        logging = structlog.get_config()
        try:
            with self._log.open("a", encoding="utf-8") as log:
                code = run(
                    self._settings,
                    stop=self._stop,
                    log_to=log,
                    found=self._found,
                    files=self._plugins.sources.files,
                    plugins=self._plugins,
                )
            self._error = f"exit code {code}"
        except Exception as error:  # nobody else would see it
            self._error = f"{type(error).__name__}: {error}"
        finally:
            structlog.configure(**logging)  # the log's file is closed


@contextmanager
def _dispatching(settings: Settings, found: Found, plugins: Plugins) -> Iterator[_Dispatcher]:
    log = settings.data_directory / "dispatcher.log"
    dispatcher = _Dispatcher(settings, found, plugins, log)
    dispatcher.start()
    try:
        yield dispatcher
    finally:
        dispatcher.stop()
