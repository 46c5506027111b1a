"""The meter: what processes, a database and a data directory take at a moment."""

import os
from pathlib import Path

from sqlalchemy import Engine, text

DIRECTORIES = "checkpoints", "logs", "programs"


def of_process(name: str, pid: int) -> dict[str, float]:
    """Memory, descriptors and threads; nothing if it has just ended.

    Memory is its proportional share (PSS), but for pages of files: of those its share swings by
    megabytes as other processes with the same libraries come and go, and they can be dropped.
    """
    here = Path("/proc") / str(pid)
    try:
        lines = (here / "smaps_rollup").read_text().splitlines()
        kib = {line.split()[0]: int(line.split()[1]) for line in lines[1:]}
        return {
            f"memory_bytes/{name}": 1024.0 * (kib["Pss:"] - kib["Pss_File:"]),
            f"descriptors/{name}": float(len(os.listdir(here / "fd"))),
            f"threads/{name}": float(len(os.listdir(here / "task"))),
        }
    except (OSError, KeyError):
        return {}


def of_directories(data: Path) -> dict[str, float]:
    """Bytes of what the service writes beside its database."""
    return {f"directory_bytes/{name}": float(size_of(data / name)) for name in DIRECTORIES}


def of_database(engine: Engine, pids: list[int]) -> dict[str, float]:
    """Connections: those that PostgreSQL has, or files of SQLite that processes have open."""
    if engine.dialect.name == "sqlite":
        path = str(engine.url.database)
        return {"connections/database": float(sum(_open_files(pid, path) for pid in pids))}
    query = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
    with engine.connect() as connection:
        return {"connections/database": float(connection.scalar(text(query)) or 0)}


def database_bytes(engine: Engine) -> int:
    """How large the database is; of SQLite what is in use, not what is free in its file."""
    with engine.connect() as connection:
        if engine.dialect.name == "postgresql":
            return int(connection.scalar(text("SELECT pg_database_size(current_database())")) or 0)
        pages, free, size = (
            int(connection.scalar(text(f"PRAGMA {name}")) or 0)
            for name in ("page_count", "freelist_count", "page_size")
        )
        return (pages - free) * size


def size_of(directory: Path) -> int:
    """Bytes of all files below a directory that others write to."""
    total = 0
    for folder, _, names in os.walk(directory):
        for name in names:
            try:
                total += os.stat(os.path.join(folder, name)).st_size
            except OSError:  # gone meanwhile
                continue
    return total


def _open_files(pid: int, path: str) -> int:
    try:
        found = [os.readlink(entry.path) for entry in os.scandir(f"/proc/{pid}/fd")]
    except OSError:
        return 0
    return found.count(path)
