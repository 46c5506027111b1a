"""Making a backup while the service works: rows of one moment, and the files that they name.

    link every checkpoint ──▶ copy the rows ──▶ link what they name ──▶ check digests ──▶ manifest
         ▲                                            │
         └── again, if some of it has gone meanwhile ─┘

A file that a row names is never written to again, only deleted once another has taken its place.
So a hard link keeps it, and what was linked before the rows were read, or after, is what they name.
Where the file system cannot link, files are copied.  All is done in a directory beside, which gets
its name at the end: a backup that was broken off is none.
"""

import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from datetime import datetime
from importlib.metadata import version
from pathlib import Path

from sqlalchemy import Engine, select

from service.backup.files import Files
from service.backup.manifest import (
    CHECKPOINTS,
    DATABASE,
    FORMAT,
    MANIFEST,
    BackupRefused,
    Lacking,
    Manifest,
    digest_of,
    stored,
    sync,
)
from service.backup.named import Named, named_files
from service.blobs.base import BlobStore
from service.blobs.directory import DirectoryStore
from service.database_url import sqlite_url
from service.db.backup.copy import copy_rows
from service.db.engine import open_engine, reading, snapshot
from service.db.schema import migrate, revisions

MOST_ROUNDS = 5
PARTIAL = ".partial"


def back_up(
    engine: Engine,
    data_directory: Path,
    directory: Path,
    *,
    now: datetime,
    blobs: BlobStore | None = None,
) -> Manifest:
    """Write a backup into a new directory and return its manifest.

    Args:
        engine: Of a database at the head revision.
        data_directory: Where checkpoints and data sets are.
        directory: That is to be; an empty one may be there.
        blobs: Where checkpoints are, if not in the data directory.

    Raises:
        BackupRefused: Something is there already.
        SchemaOutdated: The database is of another revision.
        OSError: It cannot be written.
    """
    revisions.check(engine)
    if directory.exists() and (not directory.is_dir() or any(directory.iterdir())):
        raise BackupRefused(f"{directory} is there and not an empty directory: name a new one")
    with _beside(directory) as partial:
        source = Files(data_directory, blobs or DirectoryStore(data_directory / CHECKPOINTS))
        lacking = _gather(engine, source, partial)
        for path in partial.rglob("*"):
            sync(path)
        files = [stored(partial, path) for path in _all_files(partial)]
        manifest = Manifest(
            format=FORMAT,
            metaopt=version("metaopt"),
            revision=revisions.head(),
            database=engine.dialect.name,
            made_at=now,
            files=sorted(files, key=lambda one: one.path),
            lacking=lacking,
        )
        (partial / MANIFEST).write_text(manifest.model_dump_json(indent=1))
        sync(partial / MANIFEST)
        sync(partial)
        with suppress(FileNotFoundError):
            directory.rmdir()
        partial.rename(directory)
        sync(directory.parent)
    return manifest


@contextmanager
def _beside(directory: Path) -> Iterator[Path]:
    partial = directory.with_name(f"{directory.name}{PARTIAL}")
    try:
        partial.parent.mkdir(parents=True, exist_ok=True)
        partial.mkdir(mode=0o700)  # it holds what keys are checked by
    except FileExistsError:
        raise BackupRefused(
            f"{partial} is there: another backup is being made, or one was broken off; if none is, "
            "remove it"
        ) from None
    try:
        yield partial
    finally:
        shutil.rmtree(partial, ignore_errors=True)  # nothing once it has its name


def _gather(engine: Engine, files: Files, partial: Path) -> list[Lacking]:
    """Put rows and files there; return what is named and cannot be had."""
    before: list[Named] | None = None
    for _ in range(MOST_ROUNDS):
        _copy_database(engine, partial / DATABASE, lambda: files.keep_all(partial))
        named = _named(partial / DATABASE, files.data_directory)
        lacking = [one for one in named if not files.keep(partial, one)]
        # Rows and files are of moments so near that what goes meanwhile is there the next time.
        if not lacking or lacking == before:
            break
        before = lacking
    damaged = [one for one in named if one not in lacking and not _is_whole(partial, one)]
    for one in damaged:
        (partial / one.path).unlink()
    _let_go(partial, {one.path for one in named})
    return [
        *(_told(one, "is not there") for one in lacking),
        *(_told(one, "is damaged") for one in damaged),
    ]


def _copy_database(engine: Engine, path: Path, place: Callable[[], None]) -> None:
    """All rows as they are at one moment, as a SQLite database that is whole by itself.

    Args:
        place: Keeps the files that are there; it is called next to that moment.
    """
    path.unlink(missing_ok=True)
    if engine.dialect.name == "sqlite":
        place()
        snapshot(engine, path)
        return
    made = path.with_name("rows")
    made.mkdir()
    try:
        url = sqlite_url(made / DATABASE)
        migrate.upgrade(url)
        copy = open_engine(url)
        try:
            with reading(engine) as session, copy.begin() as target:
                place()
                session.execute(select(1))  # what the transaction sees is settled by this
                place()  # to copy the rows takes longer than a checkpoint may be there
                copy_rows(session.connection(), target)
            snapshot(copy, path)
        finally:
            copy.dispose()
    finally:
        shutil.rmtree(made)


def _named(database: Path, data_directory: Path) -> list[Named]:
    copy = open_engine(sqlite_url(database))
    try:
        with reading(copy) as session:
            return named_files(session, data_directory)
    finally:
        copy.dispose()
        with closing(sqlite3.connect(database)) as plain:
            plain.execute("PRAGMA journal_mode=DELETE")  # an engine has given it a log beside it


def _is_whole(partial: Path, one: Named) -> bool:
    return one.sha256 is None or digest_of(partial / one.path) == one.sha256


def _told(one: Named, cause: str) -> Lacking:
    return Lacking(path=one.path, cause=cause, costs=one.costs or "nothing, unless others are lost")


def _let_go(partial: Path, names: set[str]) -> None:
    for path in _all_files(partial):
        name = path.relative_to(partial).as_posix()
        if name != DATABASE and name not in names:
            path.unlink()


def _all_files(directory: Path) -> list[Path]:
    return [path for path in directory.rglob("*") if path.is_file()]
