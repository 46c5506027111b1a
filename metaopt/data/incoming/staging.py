"""Arrays on their way: written while they come, hashed while they are written, whole or not there.

    <random>.part        a transfer that goes on, or was cut
    <SHA-256>            arrays that have come and that no data set has taken yet

What was cut is removed by whoever was at it; what a killed process left, and what nobody took, by
a later transfer.
"""

import hashlib
import os
import secrets
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path

from metaopt.data.whole import PART
from metaopt.errors import InvalidData

KEPT = timedelta(days=1)


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

    def begin(self, digest: str, now: datetime) -> "Part":
        """Begin a transfer of arrays of that SHA-256.

        Raises:
            OSError: Nothing can be written there.
        """
        self.directory.mkdir(parents=True, exist_ok=True)
        self._sweep(now)
        return Part(self.directory / f"{secrets.token_hex(8)}{PART}", self.path(digest))

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
    """

    def __init__(self, part: Path, whole: Path) -> None:
        self._part, self._whole = part, whole
        self._file = part.open("xb")
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
