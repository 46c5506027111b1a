"""The manifest of a backup: what is in it, by digest, and what it lacks.

DIRECTORY/manifest.json        written last: a backup without one is none
DIRECTORY/metaopt.db           every row, as a SQLite database, from either kind of database
DIRECTORY/checkpoints/…        what its open studies resume from
DIRECTORY/datasets/…           what its studies and schedules name
"""

import hashlib
import os
from datetime import datetime
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

FORMAT = 1
MANIFEST = "manifest.json"
DATABASE = "metaopt.db"
CHECKPOINTS = "checkpoints"
DATA_SETS = "datasets"
PIECE_BYTES = 2**20


class BackupRefused(Exception):
    """A backup cannot be made or put back: the message says why, and the way out."""


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class StoredFile(_Part):
    """A file of a backup: where it is below its directory, and what it has to be."""

    path: str
    sha256: str
    size_bytes: int


class Lacking(_Part):
    """A file that rows name and a backup has not: why, and what that costs."""

    path: str
    cause: str
    costs: str

    def sentence(self) -> str:
        """It as a sentence."""
        return f"{self.path} {self.cause}: {self.costs}"


class Manifest(_Part):
    """What is in a backup.

    `database` is the kind that it was made from, `revision` that of its tables.
    """

    format: int
    metaopt: str
    revision: str
    database: str
    made_at: datetime
    files: list[StoredFile]
    lacking: list[Lacking]


def read_manifest(directory: Path) -> Manifest:
    """The manifest of a backup.

    Raises:
        BackupRefused: It is none, or of a newer form.
    """
    path = directory / MANIFEST
    try:
        manifest = Manifest.model_validate_json(path.read_bytes())
    except OSError as error:
        raise BackupRefused(
            f"{directory} is no backup that was finished: {MANIFEST} cannot be read "
            f"({error.strerror}); name a directory that `metaopt db backup` has written"
        ) from None
    except ValidationError as error:
        where = error.errors(include_url=False)[0]
        place = ".".join(map(str, where["loc"])) or MANIFEST
        raise BackupRefused(
            f"{path} is not the manifest of a backup: {place}: {where['msg']}"
        ) from None
    if manifest.format != FORMAT:
        raise BackupRefused(
            f"{path} has format {manifest.format}, this version reads {FORMAT}: "
            f"run metaopt {manifest.metaopt}"
        )
    return manifest


def stored(directory: Path, path: Path) -> StoredFile:
    """What a manifest says of a file that is there."""
    return StoredFile(
        path=path.relative_to(directory).as_posix(),
        sha256=digest_of(path),
        size_bytes=path.stat().st_size,
    )


def sync(path: Path) -> None:
    """Have a file, or a directory, on the disk before anything is said that relies on it."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def digest_of(path: Path) -> str:
    """The SHA-256 of a file."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(PIECE_BYTES):
            digest.update(piece)
    return digest.hexdigest()
