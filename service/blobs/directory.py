"""Blobs in a directory, of this machine or a file system that machines share."""

import errno
import os
import shutil
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

import structlog

from metaopt.data.whole import write_whole
from metaopt.population.damage import is_damage
from service.blobs.base import MARK, BlobDamaged, PrefixGone, checked_key

SUFFIX = ".safetensors"  # what is being written ends otherwise

log = structlog.get_logger("blobs")


class DirectoryStore:
    """A directory for each prefix below `root`, which is made by `adopt`.

    What is put there has been written there: it only gets its name.
    """

    def __init__(self, root: Path) -> None:
        self.root = root.resolve()
        self._inside = os.path.join(self.root, "")
        self._made: set[str] = set()
        self._is_known = False

    @property
    def where(self) -> str:
        """The directory."""
        return str(self.root)

    def fault(self) -> str | None:
        """Why no file can be read or written at the moment; None if they can."""
        try:
            os.stat(self.root / MARK)
        except FileNotFoundError:
            return (
                f"the checkpoint directory {self.root} is not there, or empty, and trials resume "
                "from files in it: is its disk mounted? If they are lost, make it with an empty "
                f"file {MARK}, and they begin anew"
            )
        except OSError as error:
            return f"the checkpoint directory {self.root} cannot be used: {error.strerror}"
        if not os.access(self.root, os.R_OK | os.W_OK | os.X_OK):
            return f"the checkpoint directory {self.root} cannot be read and written"
        self._is_known = True
        return None

    def adopt(self, keys: Collection[str]) -> None:
        """Take the root for the directory of these files: if any is there, or there are none."""
        if os.path.exists(self.root / MARK):
            return
        if keys and not any(os.path.exists(self.path(key)) for key in keys):
            return
        self.root.mkdir(parents=True, exist_ok=True)
        (self.root / MARK).touch()

    def prepare(self, prefix: str) -> None:
        """Make the directory of a prefix, if it was never there."""
        self.workplace(prefix)

    def workplace(self, prefix: str) -> Path:
        """The directory of a prefix, made if needed."""
        path = self.root / prefix
        if not path.is_dir():
            if self._is_known and (fault := self.fault()) is not None:
                raise OSError(errno.ENODEV, fault)  # in the place of the disk nothing is made
            if prefix in self._made:
                raise PrefixGone(errno.ENOENT, "a study's checkpoints were removed", str(path))
            path.mkdir(parents=True)
        self._made.add(prefix)
        return path

    def put(self, files: Mapping[str, Path]) -> None:
        """Give files, written in the workplace of their prefix, their names."""
        for key, path in files.items():
            path.replace(self.path(key))
        for directory in {self.path(key).parent for key in files}:
            _sync(directory)

    @contextmanager
    def local(self, digests: Mapping[str, str | None]) -> Iterator[dict[str, Path]]:
        """Where the files are."""
        yield {key: self.path(key) for key in digests}

    def read(self, key: str) -> bytes:
        """The content of a file."""
        path = self.path(key)
        try:
            return path.read_bytes()
        except OSError as error:
            if not is_damage(path, error):
                raise  # the disk is away, and what is on it as good as before
            raise BlobDamaged(f"{key} cannot be read: {error}") from None

    def write(self, key: str, content: bytes) -> None:
        """Write a small file, whole or not at all."""
        write_whole(self.path(key), [content])

    def delete(self, key: str, *, at_once: bool = False) -> None:
        """Delete a file; one that stays is found at the next start."""
        try:
            with suppress(FileNotFoundError):
                os.unlink(self.path(key))
        except OSError as error:
            log.warning("checkpoint_left", checkpoint=key, cause=error.strerror)

    def delete_all(self, prefix: str) -> None:
        """Delete the directory of a prefix."""
        self._made.discard(prefix)
        shutil.rmtree(self.root / prefix, ignore_errors=True)

    def prefixes(self) -> list[str]:
        """Those that have a directory."""
        directories = self.root.iterdir() if self.root.is_dir() else ()
        return sorted(path.name for path in directories if path.name != MARK)

    def keys(self, prefix: str) -> set[str]:
        """The files in the directory of a prefix."""
        directory = self.root / prefix
        found = os.listdir(directory) if directory.is_dir() else []
        return {f"{prefix}/{name}" for name in found}

    def at_hand(self) -> Iterator[str]:
        """All files that are whole."""
        for prefix in self.prefixes():
            yield from sorted(key for key in self.keys(prefix) if key.endswith(SUFFIX))

    def close(self) -> None:
        """There is nothing that it does by itself."""

    def path(self, key: str) -> Path:
        """Where a file is, or would be."""
        return Path(self._inside + checked_key(key))


def _sync(directory: Path) -> None:
    """Have the names in a directory outlive a power cut."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
