"""Commands that run the service: serve, api, dispatcher.

serve ─┬─ db upgrade, then may we listen there?
       ├─ dispatcher: a child, started again when it dies, which starts the workers
       ├─ watchdog, in this process: ends the child once it is frozen
       └─ uvicorn, in this process; SIGTERM or Ctrl-C drains both
"""

import gc
import os
import signal
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated, Any

import typer
import uvicorn

from service.auth.exposed import check_files, warnings_of
from service.auth.start import check_start
from service.cli.console import say
from service.cli.exits import Exit, Stop
from service.cli.own_plugins import Import, paths_of
from service.cli.processes.connections import Connection
from service.cli.processes.memory import give_back
from service.cli.processes.supervisor import Supervised, tethered
from service.dispatcher.leadership.watchdog import Watchdog
from service.executors.slots import find_slots
from service.logs import configure_logging
from service.notifications.config import load_webhooks
from service.settings import Settings

if TYPE_CHECKING:
    from fastapi import FastAPI

GRACE_SECONDS = 4  # with what is open, as streams and uploads, the API ends within 5
BACKLOG = 2048
COLLECTED_AFTER = 50_000  # objects

Host = Annotated[
    str | None, typer.Option(metavar="ADDRESS", help="Listen here; default METAOPT_HOST.")
]
Port = Annotated[
    int | None,
    typer.Option(metavar="N", min=0, max=65535, help="Listen there; default METAOPT_PORT."),
]
DataDirectory = Annotated[
    Path | None,
    typer.Option(metavar="D", help="Keep everything there; default METAOPT_DATA_DIRECTORY."),
]


def serve(
    host: Host = None,
    port: Port = None,
    data_directory: DataDirectory = None,
    import_: Import = None,
) -> None:
    """Start the whole service: API, dashboard, dispatcher and workers."""
    settings = settings_with(host=host, port=port, data_directory=data_directory)
    load_webhooks(settings.webhooks_file)  # or the dispatcher would be started in vain
    if settings.devices == "cuda":
        find_slots(os.environ, settings.slots, settings.devices)  # refuses; likewise
    from service.db.schema import migrate  # Alembic and Optuna; only this command needs them

    migrate.upgrade(settings.url())
    files = paths_of(import_)
    check_start(settings, files=files)
    _warn(settings)
    listener = listen(settings.host, settings.port)
    dispatcher = Supervised(
        tethered("service.daemon", *files),
        environment=_environment(settings),
        say=say,
        drain_seconds=30 + 4 * settings.segment_seconds,
    )
    dispatcher.start()
    watchdog = Watchdog(settings.url(), lambda: dispatcher.process_id, dispatcher.replace)
    watchdog.start()

    def drain() -> None:
        watchdog.stop()
        dispatcher.request_stop()

    try:
        run_api(settings, listener, on_exit=drain)
        say("draining: segments that run are finished and kept (Ctrl-C to stop at once)")
        dispatcher.stop()
    finally:
        watchdog.stop()
        dispatcher.kill()
        listener.close()


def api(host: Host = None, port: Port = None) -> None:
    """Start the API and dashboard alone, on a database with tables; the dispatcher is elsewhere."""
    settings = settings_of(host=host, port=port)
    check_start(settings)
    _warn(settings)
    with listen(settings.host, settings.port) as listener:
        run_api(settings, listener, on_exit=lambda: None)


def dispatcher() -> None:
    """Start the dispatcher and its workers alone; the API runs elsewhere."""
    from service.daemon import run  # Optuna takes a moment; only this command needs it

    settings = settings_with()
    check_files(settings)
    _warn(settings)
    raise typer.Exit(run(settings))


def _warn(settings: Settings) -> None:
    for warning in warnings_of(settings):
        say(f"warning: {warning}")


def settings_of(**overrides: Any) -> Settings:
    """The settings, with what the command line says in the place of the environment."""
    return Settings(**{name: value for name, value in overrides.items() if value is not None})


def settings_with(**overrides: Any) -> Settings:
    """The settings of a command that writes: the data directory is made."""
    settings = settings_of(**overrides)
    try:
        settings.data_directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Stop(
            Exit.USAGE,
            f"the data directory {settings.data_directory} cannot be made: {error.strerror}; "
            "give another one by METAOPT_DATA_DIRECTORY",
        ) from None
    return settings


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens.

    Raises:
        Stop: The address cannot be had; says what to do.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listener = socket.create_server((host, port), family=family, backlog=BACKLOG)
    except OSError as error:
        reason = error.strerror or error
        advice = "Another port: --port N or METAOPT_PORT."
        raise Stop(Exit.USAGE, f"cannot listen on {host}:{port}: {reason}. {advice}") from None
    # Connections inherit it. asyncio sets it for sockets that say they are TCP, which these do not;
    # without it a body waits until the client has acknowledged the headers: 40 ms.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


def run_api(settings: Settings, listener: socket.socket, *, on_exit: Callable[[], None]) -> None:
    """Serve until SIGTERM or SIGINT; `on_exit` is called as soon as one arrives."""
    from service.app import create_app

    give_back()
    configure_logging(sys.stderr)
    app = create_app(settings)
    # What has been loaded stays: collections need not look through it, and be fewer, since a large
    # report is a million objects.
    gc.freeze()
    gc.set_threshold(COLLECTED_AFTER)
    config = server_config(settings, app)
    host, port = listener.getsockname()[:2]
    shown = f"[{host}]" if ":" in host else host
    say(f"metaopt is at http://{shown}:{port}, its data in {settings.data_directory.resolve()}")
    # uvicorn raises the signal again once it is done; it has done its work by then.
    previous = {
        number: signal.signal(number, _ignore) for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        _Server(config, on_exit).run(sockets=[listener])
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def server_config(settings: Settings, app: "FastAPI") -> uvicorn.Config:
    """How the application is served."""
    return uvicorn.Config(
        app,
        log_level="warning",
        timeout_graceful_shutdown=GRACE_SECONDS,
        server_header=False,
        http=Connection,
        ws="none",  # no route speaks it; with a library installed, uvicorn would try
        forwarded_allow_ips=settings.proxies(),  # and not what FORWARDED_ALLOW_IPS says
    )


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, on_exit: Callable[[], None]) -> None:
        super().__init__(config)
        self._on_exit = on_exit

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self._on_exit()
        super().handle_exit(sig, frame)


def _ignore(_signal: int, _frame: FrameType | None) -> None:
    pass


def _environment(settings: Settings) -> dict[str, str]:
    return {**os.environ, "METAOPT_DATA_DIRECTORY": str(settings.data_directory)}
