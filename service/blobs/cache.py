"""A bounded directory of copies: what this machine has lately read or written of a store.

    <directory>/PREFIX/NAME     a copy, by the key of its blob; its time is that of its last use

A copy is used only if its SHA-256 is the one asked for, so whatever has happened to it costs a
download.  One that somebody reads is never removed, so the bound may be exceeded for as long.
"""

import hashlib
import os
import secrets
import shutil
import threading
from collections import Counter, OrderedDict
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_PIECE_BYTES = 2**20


class Cache:
    """Copies of blobs, of one process.

    Args:
        directory: For them; made if needed.
        most_bytes: Bound on all of them together.
    """

    def __init__(self, directory: Path, most_bytes: int) -> None:
        self._directory = directory.resolve()
        self._most_bytes = most_bytes
        self._lock = threading.Lock()
        self._reading: Counter[str] = Counter()  # how many read a copy at the moment
        self._sizes: OrderedDict[str, int] = OrderedDict()  # the one used last is the last
        for path in sorted(self._directory.glob("*/*"), key=_used_at):
            self._sizes[f"{path.parent.name}/{path.name}"] = _size(path)  # also what a kill left
        self._bytes = sum(self._sizes.values())

    def workplace(self, prefix: str) -> Path:
        """A directory for files that `take` takes over."""
        directory = self._directory / prefix
        directory.mkdir(parents=True, exist_ok=True)
        return directory

    def fresh(self, key: str) -> Path:
        """A name of no file, beside where the copy would be."""
        path = self.path(key)
        return self.workplace(path.parent.name) / f".{secrets.token_hex(8)}.part"

    def path(self, key: str) -> Path:
        """Where the copy of a blob is, or would be."""
        return self._directory / key

    def has(self, key: str, digest: str | None) -> bool:
        """Whether there is a copy with that SHA-256, which counts as used now."""
        path = self.path(key)
        try:
            if digest is not None and digest_of(path) != digest:
                return False
            os.utime(path)
        except OSError:
            return False
        with self._lock:
            self._count(key, _size(path))
        return True

    def take(self, path: Path, key: str) -> None:
        """Take over a file as the copy of a blob."""
        place = self.path(key)
        place.parent.mkdir(parents=True, exist_ok=True)
        path.replace(place)
        os.utime(place)
        with self._lock:
            self._count(key, _size(place))
            self._shrink()

    @contextmanager
    def reading(self, keys: Collection[str]) -> Iterator[None]:
        """Let these copies stay for as long as the block runs."""
        with self._lock:
            self._reading.update(keys)
        try:
            yield
        finally:
            with self._lock:
                self._reading.subtract(keys)
                self._reading = +self._reading
                self._shrink()

    def drop(self, key: str) -> None:
        """Remove the copy of a blob that is no more."""
        with self._lock:
            self._drop(key)

    def drop_all(self, prefix: str) -> None:
        """Remove all copies of a prefix, and what else is in its directory."""
        with self._lock:
            for key in [key for key in self._sizes if key.startswith(f"{prefix}/")]:
                self._bytes -= self._sizes.pop(key)
        shutil.rmtree(self._directory / prefix, ignore_errors=True)

    def _count(self, key: str, size: int) -> None:
        self._bytes += size - self._sizes.pop(key, 0)
        self._sizes[key] = size

    def _drop(self, key: str) -> None:
        self._bytes -= self._sizes.pop(key, 0)
        with suppress(OSError):
            self.path(key).unlink()

    def _shrink(self) -> None:
        """Remove the copies that were not used for the longest time, until the rest fits."""
        newest = next(reversed(self._sizes), None)
        for key in list(self._sizes) if self._bytes > self._most_bytes else ():
            if self._bytes <= self._most_bytes:
                return
            if key != newest and not self._reading[key]:
                self._drop(key)


def digest_of(path: Path) -> str:
    """SHA-256 of a file."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(_PIECE_BYTES):
            digest.update(piece)
    return digest.hexdigest()


def _used_at(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
