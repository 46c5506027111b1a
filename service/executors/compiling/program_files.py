"""Files of compiled programs: written whole or not at all; the note of a failure beside them."""

import errno
import json
import os
import stat
import time
from contextlib import suppress
from pathlib import Path

MOST_BYTES = 2**16  # of a measurement
NOTED_SECONDS = 24 * 3600.0  # who has no compiler today may have one tomorrow


def write_whole(path: Path, data: dict[str, object]) -> None:
    """Write JSON so that a reader sees all of it or nothing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    partial.write_text(json.dumps(data))
    partial.replace(path)


def read_small(path: Path) -> str:
    """The text of a small file.

    Raises:
        OSError: it is not there, no file, or longer than a measurement can be.
        ValueError: it is no text.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)  # a pipe would let us wait for ever
    with open(descriptor, "rb") as file:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode) or found.st_size > MOST_BYTES:
            raise OSError(errno.EFBIG, "no measurement", str(path))
        return file.read(MOST_BYTES).decode()


def note_use(program: Path) -> None:
    """Say that the program is used now: those that were not for long make room for others."""
    with suppress(OSError):  # a directory of another user: nothing is removed there
        os.utime(program)


def note_failure(program: Path, error: Exception) -> None:
    """Write beside where a program would be why it cannot be compiled or used."""
    text = f"{type(error).__name__}: {error}"[:2000]
    _note(program).write_text(text, encoding="utf-8", errors="backslashreplace")


def failed_lately(program: Path) -> bool:
    """Whether that was noted within a day of now: a clock that was set back does not prolong it."""
    try:
        return abs(time.time() - _note(program).stat().st_mtime) < NOTED_SECONDS
    except OSError:
        return False


def forget_failure(program: Path) -> None:
    """Remove the note: the program was compiled after all."""
    with suppress(OSError):  # then it lapses
        _note(program).unlink()


def _note(program: Path) -> Path:
    return program.with_suffix(".failed")
