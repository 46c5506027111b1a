"""Arrays on their way: written while they come, hashed while they are written, whole or not there.

    <random>.part        a transfer that goes on, or was cut
    <SHA-256>            arrays that have come and that no data set has taken yet

What was cut is removed by whoever was at it; what a killed process left, and what nobody took, by
a later transfer.  All together have a bound, in which a transfer counts from its beginning with
what it may become: its file is made as large, without taking room on the disk.
"""

import hashlib
import os
import secrets
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path

from metaopt.data.limits import in_units
from metaopt.data.whole import PART, locked
from metaopt.errors import InvalidData, NoRoom

KEPT = timedelta(days=1)
LEAST_COUNTED = 2**20
"""Bytes that a file counts at least, so that thousands of them are looked at and not millions."""


class Staging:
    """A directory of arrays that have come, which is made with the first.

    Args:
        directory: On the file system of the store that takes them.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def path(self, digest: str) -> Path:
        """Where arrays of that SHA-256 are, if they have come."""
        return self.directory / digest

    def begin(
        self, digest: str, now: datetime, size: int = 0, most_bytes: int | None = None
    ) -> "Part":
        """Begin a transfer of arrays of that SHA-256.

        Args:
            size: Bytes that it may have.
            most_bytes: Of all that is here, with these.

        Raises:
            NoRoom: There would be more.
            OSError: Nothing can be written there.
        """
        self.directory.mkdir(parents=True, exist_ok=True)
        with locked(self.directory.with_name(".incoming-lock")):
            self._sweep(now)
            if most_bytes is not None:
                self._check(max(size, LEAST_COUNTED), most_bytes)
            part = self.directory / f"{secrets.token_hex(8)}{PART}"
            return Part(part, self.path(digest), size)

    def _check(self, size: int, most_bytes: int) -> None:
        here = 0
        for path in self.directory.iterdir():
            with suppress(FileNotFoundError):
                here += max(path.stat().st_size, LEAST_COUNTED)
        if here + size > most_bytes:
            raise NoRoom(
                f"at most {in_units(most_bytes)} of arrays are kept that no data set has taken, "
                f"{in_units(here)} are here and {in_units(size)} would come"
            )

    def _sweep(self, now: datetime) -> None:
        for path in self.directory.iterdir():
            with suppress(FileNotFoundError):  # somebody else has taken or removed it
                if path.stat().st_mtime < (now - KEPT).timestamp():
                    path.unlink()


class Part:
    """A transfer that goes on.

    Args:
        part: Where it is written.
        whole: Where it is once it is whole; the name is its SHA-256.
        size: Bytes that it may have.
    """

    def __init__(self, part: Path, whole: Path, size: int = 0) -> None:
        self._part, self._whole = part, whole
        self._file = part.open("xb")
        try:
            self._file.truncate(size)
        except OSError:
            self.close()
            raise
        self._hashed = hashlib.sha256()
        self.size = 0

    def write(self, piece: bytes) -> None:
        """Write what comes next.

        Raises:
            OSError: It cannot be written.
        """
        self._file.write(piece)
        self._hashed.update(piece)
        self.size += len(piece)

    def finish(self, before: Callable[[], None] = lambda: None) -> None:
        """Give it its name.

        Args:
            before: Called before it gets it; what it raises leaves nothing of it.

        Raises:
            InvalidData: It has another SHA-256.
            OSError: It could not be written; a full disk may be told only now.
        """
        found = self._hashed.hexdigest()
        if found != self._whole.name:
            raise InvalidData(
                f"what came has {self.size} bytes and SHA-256 {found[:12]}…, not "
                f"{self._whole.name[:12]}…: send it again"
            )
        self._file.truncate(self.size)
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        before()
        self._part.replace(self._whole)

    def close(self) -> None:
        """Leave nothing of a transfer that has not finished."""
        with suppress(OSError):  # of a full disk, told before
            self._file.close()
        self._part.unlink(missing_ok=True)
