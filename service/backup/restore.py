"""Putting a backup back, where nothing is.

    manifest, revision, and that nothing is there ──▶ files ──▶ rows, in one transaction

Rows come last, so a database that has them has all that could be had.  What is lacking or damaged
is said; a trial whose checkpoint is not there goes on from the one before, or begins anew, and is
not charged for it (`service.dispatcher.leadership.files`).
"""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

from sqlalchemy import URL, Engine, update

from service.backup.files import key_of
from service.backup.manifest import (
    CHECKPOINTS,
    DATA_SETS,
    DATABASE,
    BackupRefused,
    Lacking,
    Manifest,
    StoredFile,
    digest_of,
    read_manifest,
    sync,
)
from service.backup.named import Named, named_files
from service.blobs.base import BlobStore
from service.blobs.directory import DirectoryStore
from service.database_url import sqlite_url
from service.db.backup.copy import copy_rows, first_filled
from service.db.dispatcher import RELEASED_AT
from service.db.engine import open_engine, reading
from service.db.schema import migrate, revisions
from service.db.tables import DispatcherRow
from service.errors import SchemaOutdated


class Restored(NamedTuple):
    """What was put back, and what of it is lacking."""

    manifest: Manifest
    rows: int
    files: int
    lacking: list[Lacking]


def restore(
    directory: Path,
    url: str | URL,
    data_directory: Path,
    *,
    upgrade: bool = False,
    blobs: BlobStore | None = None,
) -> Restored:
    """Put a backup into an empty database and an empty data directory.

    Args:
        url: Of the database; its tables are made.
        upgrade: Whether a backup of older tables is brought up to date on the way.
        blobs: Where checkpoints are put, if not into the data directory.

    Raises:
        BackupRefused: It is damaged, of another revision, or something is there already.
        OSError: A file cannot be written.
    """
    manifest = read_manifest(directory)
    blobs = blobs or DirectoryStore(data_directory / CHECKPOINTS)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="metaopt-")))
        source = stack.enter_context(_opened(_readable(directory, manifest, folder, upgrade)))
        _refuse_files(data_directory, blobs)
        target = stack.enter_context(_opened(_empty(url)))
        placed = stack.enter_context(_Placed(data_directory, blobs))
        files = [one for one in manifest.files if placed.take(directory, one)]
        with reading(source) as session, target.begin() as connection:
            copied = copy_rows(session.connection(), connection)
            connection.execute(update(DispatcherRow).values(refreshed_at=RELEASED_AT, slots=None))
        placed.stay()
        blobs.adopt(())  # what it lacks is lacking for good
        with reading(target) as session:
            named = named_files(session, data_directory)
    return Restored(manifest, copied, len(files), _lacking(data_directory, blobs, named))


@contextmanager
def _opened(engine: Engine) -> Iterator[Engine]:
    try:
        yield engine
    finally:
        engine.dispose()


class _Placed:
    """Files that are put where they belong, and go again if not all of it succeeds."""

    def __init__(self, data_directory: Path, blobs: BlobStore) -> None:
        self._root = data_directory
        self._blobs = blobs
        self._files: list[Path] = []
        self._keys: list[str] = []

    def __enter__(self) -> "_Placed":
        return self

    def __exit__(self, *_error: object) -> None:
        for path in self._files:
            path.unlink(missing_ok=True)
        for key in self._keys:
            self._blobs.delete(key, at_once=True)

    def stay(self) -> None:
        """Let them stay."""
        self._files.clear()
        self._keys.clear()

    def take(self, directory: Path, one: StoredFile) -> bool:
        """Copy a file; False if it is the database, damaged, or not there."""
        parts = Path(one.path).parts
        if parts[:1] not in ((CHECKPOINTS,), (DATA_SETS,)) or ".." in parts:
            return False
        source, key = directory / one.path, key_of(one.path)
        if not source.is_file() or digest_of(source) != one.sha256:
            return False
        if key is not None:
            self._put(source, key)
            return True
        target = self._root / one.path
        target.parent.mkdir(parents=True, exist_ok=True)
        self._files.append(target)
        shutil.copyfile(source, target)
        sync(target)
        sync(target.parent)
        return True

    def _put(self, source: Path, key: str) -> None:
        prefix, _, name = key.partition("/")
        copy = self._blobs.workplace(prefix) / name
        self._keys.append(key)
        shutil.copyfile(source, copy)
        sync(copy)
        self._blobs.put({key: copy})


def _lacking(data_directory: Path, blobs: BlobStore, named: list[Named]) -> list[Lacking]:
    there = {f"{CHECKPOINTS}/{key}" for prefix in blobs.prefixes() for key in blobs.keys(prefix)}
    return [
        Lacking(path=one.path, cause="is lacking", costs=one.costs)
        for one in named
        if one.costs is not None
        and one.path not in there
        and not (data_directory / one.path).exists()
    ]


def _readable(directory: Path, manifest: Manifest, folder: Path, upgrade: bool) -> Engine:
    """The database of a backup, in a copy, at the head revision."""
    kept = next((one for one in manifest.files if one.path == DATABASE), None)
    path = directory / DATABASE
    if kept is None or not path.exists() or digest_of(path) != kept.sha256:
        raise BackupRefused(
            f"{path} is damaged: it is not what the manifest says; take another backup"
        )
    copy = shutil.copyfile(path, folder / DATABASE)
    engine = open_engine(sqlite_url(copy))
    try:
        revisions.check(engine)
    except SchemaOutdated as error:
        known = revisions.is_known(manifest.revision)
        if known and upgrade:
            migrate.upgrade(sqlite_url(copy))
            return engine
        engine.dispose()
        way_out = (
            f"run `metaopt db restore --upgrade {directory}`"
            if known
            else (f"run metaopt {manifest.metaopt} or newer")
        )
        raise BackupRefused(
            f"the backup is of tables at revision {manifest.revision}, needed is "
            f"{revisions.head()}: {way_out}"
        ) from error
    return engine


def _refuse_files(data_directory: Path, blobs: BlobStore) -> None:
    data_sets = data_directory / DATA_SETS
    if blobs.prefixes():
        raise BackupRefused(_not_empty(blobs.where))
    if data_sets.exists() and any(data_sets.iterdir()):
        raise BackupRefused(_not_empty(str(data_sets)))


def _not_empty(place: str) -> str:
    return (
        f"{place} is not empty, and nothing is overwritten: restore into an empty data "
        "directory (METAOPT_DATA_DIRECTORY) or another prefix (METAOPT_BLOBS_URL)"
    )


def _empty(url: str | URL) -> Engine:
    """The database, with tables and no row."""
    revision = revisions.current(url)
    if revision is None:
        migrate.upgrade(url)
    engine = open_engine(url)
    filled = None
    if revision is not None:
        filled = first_filled(engine) if revision == revisions.head() else f"revision {revision}"
    if filled is not None:
        shown = engine.url.render_as_string(hide_password=True)
        engine.dispose()
        raise BackupRefused(
            f"the database {shown} is not empty ({filled}), and nothing is overwritten: "
            "restore into an empty one (METAOPT_DATABASE_URL)"
        )
    return engine
