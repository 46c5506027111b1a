"""A frozen dispatcher that holds SQLite's write lock: only its end frees the lock.

Whose lock it is, is in the kernel's table of locks (/proc/locks): the byte of the writer in the
file of shared memory that belongs to the database.  A process is ended only if all of this holds:

- the stale row names it: its host, its boot, its process namespace, its number and its start;
- it, or a child of it, holds the lock; or it is stopped, where the table cannot be read.

So no other process is ever hit, be it one that got the number since, or a command that holds the
lock for long; that one is named in the log instead.
"""

import os
import signal
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import structlog

from service.dispatcher.leadership.holder import process_of
from service.process_states import STOPPED, state_of

WRITER = 120  # the byte of https://sqlite.org/walformat.html#wal_locks that a writer locks

log = structlog.get_logger("dispatcher")


def end_holder(holder: str, database: Path) -> list[int]:
    """End a stale holder and its children, if they hold the database; return their numbers.

    Args:
        holder: Who it is, as its row says (`leadership.holder`).
        database: The file.
    """
    pid = process_of(holder)
    owners = lock_owners(database)
    family = [] if pid is None else [pid, *_descendants(pid)]
    holds = any(owner in family for owner in owners)
    if pid is None or not (holds or (owners is _UNKNOWN and state_of(pid) in STOPPED)):
        log.warning("database_locked", holder=holder, locked_by=sorted(owners))
        return []
    ended = []
    for process in family:
        with suppress(ProcessLookupError, PermissionError):
            os.kill(process, signal.SIGKILL)
            ended.append(process)
    return ended


def lock_owners(database: Path) -> frozenset[int]:
    """Return the processes that hold the database's write lock, or `_UNKNOWN`."""
    try:
        file = os.stat(f"{os.path.realpath(database)}-shm").st_ino
        lines = Path("/proc/locks").read_text().splitlines()
    except OSError:
        return _UNKNOWN
    return frozenset(_writers(lines, file))


_UNKNOWN: frozenset[int] = frozenset({-1})


def _writers(lines: list[str], file: int) -> Iterator[int]:
    # "12: POSIX  ADVISORY  WRITE 4711 fe:00:2219727 120 120"; a wait for a lock has "->" before it
    for line in lines:
        fields = line.split()
        if len(fields) != 8 or fields[3] != "WRITE" or not fields[5].endswith(f":{file}"):
            continue
        first, last = int(fields[6]), fields[7]
        if first <= WRITER and (last == "EOF" or WRITER <= int(last)):
            yield int(fields[4])


def _descendants(pid: int) -> list[int]:
    found: list[int] = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        with suppress(OSError):
            for child in map(int, task.read_text().split()):
                found += [child, *_descendants(child)]
    return found
