"""Where things are kept on this machine: settings, data directory, database, webhooks.

It is what `serve`, `run` and the others use that work here.  Commands that talk to a server need
none of it, so where they have one what is missing here is no fault, and what is broken a warning.
"""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from shlex import quote

from pydantic import ValidationError
from sqlalchemy.engine import make_url
from sqlalchemy.exc import SQLAlchemyError

from service.auth.keys import read_keys
from service.cli.failures import settings_text
from service.cli.findings.finding import Finding, Level
from service.cli.findings.lanes import Slow, slow_modules
from service.db.engine import open_engine, reading
from service.db.plugins import rows
from service.db.schema import revisions
from service.errors import KeysUnreadable, SchemaOutdated, WebhooksUnreadable
from service.notifications.config import load_webhooks
from service.settings import Settings

TRIED_BYTES = 1 << 16
LITTLE_BYTES = 1 << 30


def storage(server: str | None = None) -> Iterator[Finding]:
    """Find whether the settings hold, the data directory can be written, the database is there.

    Args:
        server: The server that commands use, if they do; it has a database of its own.
    """
    try:
        settings = Settings()
    except ValidationError as error:
        yield Finding(Level.FAIL, "settings", settings_text(error), "docs/settings.md")
        return
    if settings.api_keys_file is not None:
        yield _for_here(_keys_file(settings.api_keys_file), server)
    yield _for_here(_data_directory(settings.data_directory), server)
    database = _database(settings, server)
    yield database if settings.database_url else _for_here(database, server)
    if server is None and database.level == Level.OK:
        yield from _slow(settings)


def _slow(settings: Settings) -> Iterator[Finding]:
    """Modules of which workers found here that they cannot be mapped."""
    engine = open_engine(settings.url())
    try:
        with reading(engine) as session:
            told = rows.present(session)
    finally:
        engine.dispose()
    slow = (Slow(one.described.name, one.lane_by_lane) for one in told if one.lane_by_lane)
    yield from slow_modules(engine.url.render_as_string(hide_password=True), slow)


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


def _for_here(finding: Finding, server: str | None) -> Finding:
    """The finding, no longer as a failure where commands have a server elsewhere."""
    if server is None or finding.level != Level.FAIL:
        return finding
    text = f"{finding.text}; only what works here needs it (serve, run), {server} does not"
    return finding._replace(level=Level.WARN, text=text)


def _data_directory(directory: Path) -> Finding:
    where = directory.resolve()
    existing = next(place for place in (where, *where.parents) if place.exists())
    try:
        with tempfile.TemporaryFile(dir=existing) as file:
            file.write(bytes(TRIED_BYTES))  # a full disk has room for an empty file
            file.flush()
            os.fsync(file.fileno())
        free = shutil.disk_usage(existing).free
    except OSError as error:
        remedy = "make it writable, or choose another with METAOPT_DATA_DIRECTORY"
        return Finding(Level.FAIL, "data directory", f"{where}: {error.strerror}", remedy)
    state = "writable" if existing == where else "not there yet, and can be made"
    if free < LITTLE_BYTES:
        text = f"{where} is {state}, with {free >> 20} MiB left: checkpoints and programs need more"
        return Finding(Level.WARN, "data directory", text, "make room, or METAOPT_DATA_DIRECTORY")
    return Finding(Level.OK, "data directory", f"{where} is {state}")


def _database(settings: Settings, server: str | None) -> Finding:
    upgrade = "metaopt db upgrade (metaopt serve does it too)"
    try:
        url = make_url(settings.url())
        is_file = url.get_backend_name() == "sqlite"
        shown = str(url.database) if is_file else url.render_as_string(hide_password=True)
        if is_file and not Path(shown).exists():
            if server is not None:
                text = f"{shown} is not there; the server at {server} has its own"
                return Finding(Level.OK, "database", text)
            return Finding(Level.WARN, "database", f"{shown} is not there yet", upgrade)
        engine = open_engine(settings.url())
    except (ValueError, SQLAlchemyError) as error:
        return Finding(
            Level.FAIL, "database", str(error), "METAOPT_DATABASE_URL in docs/settings.md"
        )
    try:
        revisions.check(engine)
    except SchemaOutdated as error:
        return Finding(Level.FAIL, "database", f"{shown}: {error}")
    except SQLAlchemyError as error:
        cause = str(getattr(error, "orig", None) or error).strip().splitlines()[0]
        return Finding(Level.FAIL, "database", f"{shown}: {cause}", "is it running, and reachable?")
    finally:
        engine.dispose()
    return Finding(Level.OK, "database", f"{shown} at revision {revisions.head()}")
