"""The doctor: what is installed, what is there, what is wrong, and what to do about it.

    ok    fine     warn   works, but look at it     fail   does not work

It ends with 0 if nothing fails, with 5 if all that fails is the server named by METAOPT_URL, and
with 2 otherwise.  Without METAOPT_URL a server that does not run is only worth a warning.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from enum import StrEnum
from importlib import metadata
from pathlib import Path
from shlex import quote
from typing import NamedTuple

from pydantic import ValidationError
from sqlalchemy.engine import make_url
from sqlalchemy.exc import SQLAlchemyError

from service.auth.keys import read_keys
from service.cli.connection import connect
from service.cli.console import data
from service.cli.exits import Exit, Stop, settings_text
from service.client.errors import ClientError
from service.db.engine import open_engine
from service.db.schema import migrate
from service.errors import KeysUnreadable, SchemaOutdated, WebhooksUnreadable
from service.notifications.config import load_webhooks
from service.settings import Settings
from service.variables import variable

PACKAGES = ("metaopt", "torch", "numpy", "optuna", "optuna-dashboard", "fastapi", "sqlalchemy")
DEVICES_SECONDS = 60
DEVICES_PROGRAM = """
import json, os, torch
print(json.dumps({
    "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
    "cuda": [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())],
    "built_for_cuda": torch.version.cuda,
}))
"""


class Level(StrEnum):
    """How a finding is."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


class Finding(NamedTuple):
    """One line: about what, how it is, and what to do about it."""

    level: Level
    subject: str
    text: str
    remedy: str = ""


def doctor() -> None:
    """Check this installation and the server, and say what to do about what is wrong."""
    failed = set()
    for check in (installation, devices, compiler, storage, webhooks, server):
        for finding in check():
            data(line(finding))
            if finding.level == Level.FAIL:
                failed.add(check)
    code = exit_code(failed)
    if code != Exit.DONE:
        raise Stop(code)


def exit_code(failed: set[Callable[[], Iterator[Finding]]]) -> Exit:
    """How the doctor ends, given the checks that found something broken."""
    if not failed:
        return Exit.DONE
    return Exit.UNREACHABLE if failed == {server} else Exit.USAGE


def line(finding: Finding) -> str:
    """A finding as a line."""
    remedy = f" → {finding.remedy}" if finding.remedy else ""
    return f"{finding.level:<5} {finding.subject}: {finding.text}{remedy}"


def installation() -> Iterator[Finding]:
    """Find the versions of Python and of the packages."""
    version = ".".join(map(str, sys.version_info[:3]))
    yield Finding(Level.OK, "python", f"{version} in {sys.prefix}")
    for name in PACKAGES:
        try:
            yield Finding(Level.OK, name, metadata.version(name))
        except metadata.PackageNotFoundError:
            level = Level.WARN if name == "metaopt" else Level.FAIL
            yield Finding(level, name, "is not installed", "pip install -c constraints.txt -e .")


def devices() -> Iterator[Finding]:
    """Find cores and GPUs, in a process of its own: torch never comes into this one."""
    try:
        done = subprocess.run(
            [sys.executable, "-c", DEVICES_PROGRAM],
            capture_output=True,
            text=True,
            timeout=DEVICES_SECONDS,
            check=True,
        )
    except subprocess.TimeoutExpired:
        text = f"torch did not answer within {DEVICES_SECONDS} s"
        yield Finding(Level.FAIL, "devices", text, "look at the GPU driver: nvidia-smi")
        return
    except subprocess.CalledProcessError as error:
        last = (error.stderr.strip().splitlines() or ["no message"])[-1]
        yield Finding(Level.FAIL, "devices", f"torch does not load: {last}", "install torch again")
        return
    yield from describe_devices(json.loads(done.stdout))


def describe_devices(devices: dict[str, object]) -> Iterator[Finding]:
    """Say what the devices mean for the service."""
    cuda = devices["cuda"]
    assert isinstance(cuda, list)
    if cuda:
        yield Finding(Level.OK, "devices", f"{len(cuda)} GPU: {', '.join(cuda)}; a worker for each")
        return
    built = f"torch is built for CUDA {devices['built_for_cuda']}, but finds no GPU"
    why = built if devices["built_for_cuda"] else "torch is built for CPUs alone"
    yield Finding(Level.OK, "devices", f"{devices['cores']} CPU cores, a worker for each; {why}")


def compiler() -> Iterator[Finding]:
    """Find the C++ compiler that makes programs of lanes."""
    name = variable(os.environ, "CXX") or "g++"
    path = shutil.which(name)
    if path is None:
        text = f"{name} is not there: lanes train uncompiled, several times slower"
        yield Finding(Level.WARN, "compiler", text, "install g++, or name another one in CXX")
    else:
        yield Finding(Level.OK, "compiler", path)


def storage() -> Iterator[Finding]:
    """Find whether the settings hold, the data directory can be written, the database is there."""
    try:
        settings = Settings()
    except ValidationError as error:
        yield Finding(Level.FAIL, "settings", settings_text(error), "docs/settings.md")
        return
    if settings.api_keys_file is not None:
        yield _keys_file(settings.api_keys_file)
    yield _data_directory(settings.data_directory)
    yield _database(settings)


def webhooks() -> Iterator[Finding]:
    """Find whether the webhooks file keeps its rules; nothing is resolved or connected to."""
    try:
        path = Settings().webhooks_file
        webhooks = load_webhooks(path)
    except ValidationError:
        return  # `storage` has said it
    except WebhooksUnreadable as error:
        yield Finding(Level.FAIL, "webhooks", str(error), "docs/webhooks.md")
        return
    if path is None:
        yield Finding(Level.OK, "webhooks", "none: METAOPT_WEBHOOKS_FILE is not set")
        return
    names = ", ".join(webhook.name for webhook in webhooks) or "none"
    if path.stat().st_mode & 0o007:
        text = f"{path} can be read by everybody on this machine"
        yield Finding(Level.WARN, "webhooks", text, f"chmod o-rwx {quote(str(path))}")
    yield Finding(Level.OK, "webhooks", f"{names} in {path}")


def _keys_file(path: Path) -> Finding:
    try:
        count = len(read_keys(path))
    except KeysUnreadable as error:
        return Finding(
            Level.FAIL, "API keys", f"{path}: {error}", "metaopt keys new NAME --append FILE"
        )
    return Finding(Level.OK, "API keys", f"{count} in {path}")


def _data_directory(directory: Path) -> Finding:
    where = directory.resolve()
    existing = next(place for place in (where, *where.parents) if place.exists())
    try:
        with tempfile.TemporaryFile(dir=existing):
            pass
    except OSError as error:
        remedy = "make it writable, or choose another with METAOPT_DATA_DIRECTORY"
        return Finding(Level.FAIL, "data directory", f"{where}: {error.strerror}", remedy)
    state = "writable" if existing == where else "not there yet, and can be made"
    return Finding(Level.OK, "data directory", f"{where} is {state}")


def _database(settings: Settings) -> Finding:
    upgrade = "metaopt db upgrade (metaopt serve does it too)"
    try:
        url = make_url(settings.url())
        is_file = url.get_backend_name() == "sqlite"
        shown = str(url.database) if is_file else url.render_as_string(hide_password=True)
        if is_file and not Path(shown).exists():
            return Finding(Level.WARN, "database", f"{shown} is not there yet", upgrade)
        engine = open_engine(settings.url())
    except (ValueError, SQLAlchemyError) as error:
        return Finding(
            Level.FAIL, "database", str(error), "METAOPT_DATABASE_URL in docs/settings.md"
        )
    try:
        migrate.check(engine)
    except SchemaOutdated as error:
        return Finding(Level.FAIL, "database", f"{shown}: {error}")
    except SQLAlchemyError as error:
        cause = str(getattr(error, "orig", None) or error).strip().splitlines()[0]
        return Finding(Level.FAIL, "database", f"{shown}: {cause}", "is it running, and reachable?")
    finally:
        engine.dispose()
    return Finding(Level.OK, "database", f"{shown} at revision {migrate.head()}")


def server() -> Iterator[Finding]:
    """Find whether the server answers, and whether it has a live dispatcher."""
    named = variable(os.environ, "METAOPT_URL") is not None
    try:
        with connect() as client:
            problem, url = client.readiness(), client.url
    except ClientError as error:
        level = Level.FAIL if named else Level.WARN
        yield Finding(level, "server", str(error), "metaopt serve, or METAOPT_URL")
        return
    if problem is None:
        yield Finding(Level.OK, "server", f"{url} is ready, with a live dispatcher")
    elif problem.code == "unauthenticated":
        yield Finding(Level.FAIL, "server", f"{url}: {problem.detail}", "METAOPT_API_KEY")
    else:
        yield Finding(Level.FAIL, "server", f"{url}: {problem.detail}")
