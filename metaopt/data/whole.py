"""Files that are there whole or not at all, and locks that end with who holds them."""

import errno
import fcntl
import os
import secrets
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

PART = ".part"
"""How the names end of files that are not whole yet."""

LOCK_SECONDS = 2.0
"""For which a lock is waited for: who works holds one while it looks, moves and removes files."""

_LOOK_SECONDS = 0.02


def write_whole(path: Path, pieces: Iterable[bytes | memoryview]) -> None:
    """Write a file whole or not at all.

    Raises:
        OSError: It cannot be written.
    """
    part = path.with_name(f".{secrets.token_hex(8)}{PART}")
    try:
        with part.open("xb") as file:
            for piece in pieces:
                file.write(piece)
            file.flush()
            os.fsync(file.fileno())  # a full disk may be told only now
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


@contextmanager
def locked(path: Path, *, shared: bool = False, seconds: float = LOCK_SECONDS) -> Iterator[None]:
    """Hold a lock, whose file is made; it is released with the file, also by a kill.

    Args:
        shared: With others that share it; else alone.
        seconds: For which it is waited for.

    Raises:
        TimeoutError: Somebody holds it for longer, as a process that is frozen does.
        OSError: The file cannot be made.
    """
    kind = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
    deadline = time.monotonic() + seconds
    with path.open("a") as lock:
        while not _taken(lock.fileno(), kind):
            if time.monotonic() > deadline:
                held = f"another process has held its lock for {seconds:.0f} s"
                raise TimeoutError(errno.ETIMEDOUT, held, str(path))
            time.sleep(_LOOK_SECONDS)
        yield


def _taken(lock: int, kind: int) -> bool:
    try:
        fcntl.flock(lock, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
