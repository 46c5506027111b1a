"""Files that grow: compiled programs, of which the least lately used go, and logs of workers."""

import os
import shutil
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import NamedTuple

PROGRAMS, LOGS = "*.pt2", "worker-*.log"

IN_USE = timedelta(hours=1)
"""A program that was used since is not removed, however little room there is: who compiles one
uses it next."""

BEFORE = ".before"


class Directories(NamedTuple):
    """Where files are that may go.

    Args:
        programs: Compiled programs.
        logs: Of workers.
    """

    programs: Path
    logs: Path


def doomed_programs(directory: Path, most: int | None, now: datetime) -> list[tuple[Path, int]]:
    """The programs that are too many, the least lately used first, with their sizes in bytes.

    Args:
        most: Bytes of all together; None has no limit.
    """
    if most is None:
        return []
    found = []
    for path in directory.glob(PROGRAMS):
        with suppress(FileNotFoundError):  # another has removed it
            status = path.stat()
            found.append((status.st_mtime, path, status.st_size))
    doomed, total = [], sum(size for _, _, size in found)
    for _, path, size in sorted(found):
        if total <= most or not is_unused(path, now):
            break
        doomed.append((path, size))
        total -= size
    return doomed


def is_unused(program: Path, now: datetime) -> bool:
    """Whether nobody has used a program lately."""
    with suppress(FileNotFoundError):
        return program.stat().st_mtime <= (now - IN_USE).timestamp()
    return False


def long_logs(directory: Path, most: int | None) -> list[tuple[Path, int]]:
    """The logs that are longer than so many bytes, with their sizes; None has no limit."""
    if most is None:
        return []
    sizes = [(path, path.stat().st_size) for path in sorted(directory.glob(LOGS))]
    return [(path, size) for path, size in sizes if size > most]


def shorten(path: Path) -> None:
    """Begin a log anew, and keep what it had beside it, in place of what was there.

    Its writers append, so they go on at its beginning; what they write at this very moment may be
    lost.
    """
    before = path.with_name(f"{path.name}{BEFORE}")
    shutil.copyfile(path, before)
    os.truncate(path, 0)
