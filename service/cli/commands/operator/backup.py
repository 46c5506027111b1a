"""The commands db backup and db restore: everything, into a directory and back."""

import os
import tempfile
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from service.backup.backup import back_up
from service.backup.manifest import BackupRefused, Lacking
from service.backup.restore import restore as put_back
from service.blobs.base import BlobsUnusable
from service.blobs.opening import open_blobs
from service.cli.commands.server import settings_of
from service.cli.console import STDOUT, check_writable, raw_data, say, write_file
from service.cli.exits import Exit, Stop
from service.cli.options import output_path
from service.db.engine import open_engine, snapshot
from service.db.schema import revisions
from service.output_file import is_same

PIECE_BYTES = 2**20
OF_DATABASES = (".db", ".sqlite", ".sqlite3")


def backup(
    directory: Annotated[
        Path,
        typer.Argument(
            metavar="DIRECTORY",
            parser=output_path,
            help="A new directory for rows, checkpoints and data sets; a FILE.db, or - for stdout, "
            "takes a copy of a SQLite database alone.",
        ),
    ],
) -> None:
    """Back up database, checkpoints and data sets while a server is at work on them."""
    if directory == STDOUT or directory.is_file() or directory.suffix in OF_DATABASES:
        _copy_database(directory)
        return
    settings = settings_of()
    engine = open_engine(settings.url())
    try:
        blobs, now = open_blobs(settings.blobs()), datetime.now(UTC)
        manifest = back_up(engine, settings.data_directory, directory, now=now, blobs=blobs)
    except (BackupRefused, BlobsUnusable) as error:
        raise Stop(Exit.USAGE, str(error)) from None
    finally:
        engine.dispose()
    _tell(manifest.lacking)
    size = sum(one.size_bytes for one in manifest.files)
    say(f"wrote {directory}: {len(manifest.files)} files of {size / 2**20:.1f} MiB")


def restore(
    directory: Annotated[Path, typer.Argument(help="That `metaopt db backup` has written.")],
    upgrade: Annotated[
        bool, typer.Option("--upgrade", help="Bring a backup of older tables up to date.")
    ] = False,
) -> None:
    """Put a backup into an empty database and an empty data directory."""
    settings = settings_of()
    try:
        blobs, data = open_blobs(settings.blobs()), settings.data_directory
        done = put_back(directory, settings.url(), data, upgrade=upgrade, blobs=blobs)
    except (BackupRefused, BlobsUnusable) as error:
        raise Stop(Exit.USAGE, str(error)) from None
    _tell(done.lacking)
    made_at = done.manifest.made_at.strftime("%Y-%m-%d %H:%M:%S UTC")
    say(f"restored {done.rows} rows and {done.files} files of {made_at}")


def _tell(lacking: list[Lacking]) -> None:
    for one in lacking:
        say(f"lacking: {one.sentence()}")


def _copy_database(file: Path) -> None:
    """Copy the SQLite database as it is at one moment, while a server may be at work on it."""
    engine = open_engine(settings_of().url())
    if engine.dialect.name != "sqlite":
        raise Stop(Exit.USAGE, "only SQLite is copied into a file: name a new directory")
    _check_copy(file, Path(str(engine.url.database)))
    try:
        revisions.check(engine)
        with tempfile.TemporaryDirectory(prefix="metaopt-") as folder:
            copy = Path(folder) / "metaopt.db"
            snapshot(engine, copy)
            with copy.open("rb") as content:
                pieces = iter(partial(content.read, PIECE_BYTES), b"")
                if file == STDOUT:
                    raw_data(pieces)
                    return
                write_file(file, pieces)
    finally:
        engine.dispose()
    say(f"wrote {file}")


def _check_copy(file: Path, database: Path) -> None:
    """Refuse a copy that would take the place of a database at work: it would be lost or mixed up.

    Raises:
        Stop: It would, or it cannot be written.
    """
    if file == STDOUT:
        return
    if is_same(file, database):
        raise Stop(Exit.USAGE, f"{file} is the database itself: give the copy another name")
    log = Path(f"{os.path.realpath(file)}-wal")
    if log.exists():
        raise Stop(
            Exit.USAGE,
            f"{file} is a database in use, {log.name} stands beside it: give the copy another name",
        )
    check_writable(file)
