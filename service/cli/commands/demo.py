"""The demo: a server of its own, the two example studies, their verdicts."""

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from shlex import quote
from typing import Annotated

import typer

from service.cli.commands.watch import wait_for_verdict
from service.cli.connection import tell_of_retries
from service.cli.console import say
from service.cli.exits import Exit, Stop
from service.cli.outputs.results import Outputs
from service.cli.processes.cache import programs_cache
from service.cli.processes.supervisor import tethered
from service.cli.specs import read_spec
from service.client.client import Client
from service.client.errors import ClientError
from service.variables import variable
from service.wire.words import numbers

EXAMPLES = ("sinusoid.yaml", "omniglot.yaml")
START_SECONDS = 90.0
POLL_SECONDS = 0.2
DRAIN_SECONDS = 60.0
PROGRAMS = "METAOPT_PROGRAMS_DIRECTORY"
OWN_SETTINGS = ("METAOPT_DATABASE_URL", "METAOPT_HOST", "METAOPT_API_KEYS_FILE")


def demo(
    keep: Annotated[bool, typer.Option("--keep", help="Keep the data directory.")] = False,
    data_directory: Annotated[
        Path | None,
        typer.Option(metavar="D", help="Keep everything there; default a temporary directory."),
    ] = None,
) -> None:
    """Tune MAML and Reptile on sinusoids and on Omniglot, and print both verdicts."""
    if find_spec("uvicorn") is None:  # its server could say so in its log only
        raise ModuleNotFoundError(name="uvicorn")
    began_at = time.monotonic()
    specs = [read_spec(examples_directory() / name) for name in EXAMPLES]
    directory = data_directory or Path(tempfile.mkdtemp(prefix="metaopt-demo-"))
    lasting = keep or data_directory is not None
    try:
        with running_server(directory) as url, Client(url) as client:
            say(f"The service is up; look at it while it works: {url}")
            submitted = [client.submit(spec) for spec in specs]
            for study in submitted:
                say(f"\n{study.name}:")
                wait_for_verdict(client, study, None, Outputs())
    except Stop as stop:
        if stop.code == Exit.INTERRUPTED:
            raise Stop(Exit.INTERRUPTED, "the demo was stopped") from None
        raise
    finally:
        if not lasting:
            shutil.rmtree(directory, ignore_errors=True)
    say(farewell(time.monotonic() - began_at, directory if lasting else None))


def examples_directory() -> Path:
    """Where the example specs are: in the checkout, or installed beside the package.

    Raises:
        Stop: In neither.
    """
    places = (
        Path(__file__).parents[3] / "examples",
        Path(sys.prefix) / "share" / "metaopt" / "examples",
    )
    for place in places:
        if (place / EXAMPLES[0]).is_file():
            return place
    raise Stop(Exit.USAGE, f"the example specs are not in {' nor in '.join(map(str, places))}")


@contextmanager
def running_server(directory: Path) -> Iterator[str]:
    """Yield the URL of a server on a free port with its data in `directory`."""
    tell_of_retries()
    directory.mkdir(parents=True, exist_ok=True)
    port = free_port()
    log = directory / "server.log"
    with open(log, "wb") as output:
        server = subprocess.Popen(  # noqa: S603  # this Python, words of ours
            tethered("service.cli", "serve"),
            env=environment_of(directory, port),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        url = f"http://127.0.0.1:{port}"
        _wait_until_ready(server, url, log)
        yield url
    finally:
        _end(server)


def free_port() -> int:
    """A port of this machine that nobody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def farewell(took_seconds: float, directory: Path | None) -> str:
    """The last words: how long it took, and what to do next."""
    lines = [f"\nThe demo took {numbers.seconds(took_seconds)}."]
    if directory is not None:
        lines.append(f"Its studies: METAOPT_DATA_DIRECTORY={quote(str(directory))} make serve")
    lines += [
        "Next: `make serve`, open http://127.0.0.1:8000, and from another terminal",
        "`.venv/bin/metaopt submit examples/sinusoid.yaml --wait`.",
    ]
    return "\n".join(lines)


def environment_of(directory: Path, port: int) -> dict[str, str]:
    """What the server is told: programs outlive it, so that a second demo need not compile."""
    inherited = {name: value for name, value in os.environ.items() if name not in OWN_SETTINGS}
    programs = variable(os.environ, PROGRAMS) or programs_cache(os.environ)
    return {
        **inherited,
        **({PROGRAMS: str(programs)} if programs else {}),
        "METAOPT_DATA_DIRECTORY": str(directory.resolve()),
        "METAOPT_PORT": str(port),
    }


def _wait_until_ready(server: "subprocess.Popen[bytes]", url: str, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    with Client(url) as client:
        while not _is_ready(client):
            if server.poll() is not None or time.monotonic() >= deadline:
                tail = "\n".join(log.read_text(errors="replace").splitlines()[-15:])
                raise Stop(Exit.UNREACHABLE, f"the server did not start:\n{tail}")
            time.sleep(POLL_SECONDS)


def _is_ready(client: Client) -> bool:
    try:
        return client.readiness() is None
    except ClientError:
        return False


def _end(server: "subprocess.Popen[bytes]") -> None:
    server.terminate()
    try:
        server.wait(DRAIN_SECONDS)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()
