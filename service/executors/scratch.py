"""Scratch: where a worker and the compilers that it calls have their temporary files.

    made with the worker ──▶ its TMPDIR ──▶ removed once it has ended, however it did
                                             or, if its parent was killed, by the next executor

A worker ends by SIGKILL, which lets nobody tidy up: torch unpacks each program that it loads, and a
compiler keeps what it is about to assemble.  The parent holds a lock in the directory for as long
as it lives, so that no other takes it for left behind.
"""

import fcntl
import os
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path

PREFIX = "metaopt-worker-"
_LOCK = ".lock"


class Scratch:
    """A directory of its own below the system's one for temporary files."""

    def __init__(self) -> None:
        """Make it.

        Raises:
            OSError: It cannot be made.
        """
        self.path = Path(tempfile.mkdtemp(prefix=PREFIX))
        new = self.path / f"{_LOCK}.new"
        self._lock = new.open("w")
        fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        new.rename(self.path / _LOCK)  # it is held as soon as it can be found

    def remove(self) -> None:
        """Remove it with all that is in it; idempotent."""
        shutil.rmtree(self.path, ignore_errors=True)
        self._lock.close()


def sweep() -> list[Path]:
    """Remove the directories of parents that were killed; return them."""
    swept = []
    for left in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        with suppress(OSError):  # another's, or it has just gone, or somebody holds its lock
            if left.stat().st_uid != os.getuid():
                continue
            with (left / _LOCK).open("r") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(left, ignore_errors=True)
            swept.append(left)
    return swept
