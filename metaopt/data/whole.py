"""Files that are there whole or not at all, and locks that end with who holds them."""

import fcntl
import os
import secrets
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

PART = ".part"
"""How the names end of files that are not whole yet."""


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
def locked(path: Path, *, shared: bool = False) -> Iterator[None]:
    """Hold a lock, whose file is made; it is released with the file, also by a kill.

    Args:
        shared: With others that share it; else alone.
    """
    with path.open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_SH if shared else fcntl.LOCK_EX)
        yield
