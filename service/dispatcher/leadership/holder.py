"""Who holds the live epoch, as text in its row: host, process and when that process started.

A successor on the same host sees from it that the holder is dead and need not wait until the
row is stale.  The host is named with its boot and its process namespace, and the process with
its start, so neither a reboot, nor another container, nor a reused process id is taken for it.
"""

import os
import socket
from pathlib import Path


def this_process() -> str:
    """The name of this process as a holder."""
    pid = os.getpid()
    return f"{_host()} {pid} {_started(pid)}"


def is_dead(holder: str) -> bool:
    """Whether `holder` is known to be dead; False wherever that cannot be known."""
    pid, started = _parts(holder)
    return pid is not None and started != "unknown" and _started(pid) != started


def process_of(holder: str) -> int | None:
    """The process id of `holder`, if it is a process of this host that is surely still there."""
    pid, started = _parts(holder)
    return pid if pid is not None and _started(pid) == started != "unknown" else None


def state_of(pid: int) -> str:
    """The kernel's letter for what a process does (T is stopped), or "X" if it is not there."""
    fields = _stat(pid)
    return fields[0] if fields else "X"


def _parts(holder: str) -> tuple[int | None, str]:
    """The process id and start of a holder of this host, or None."""
    parts = holder.split(" ")
    if len(parts) != 3 or parts[0] != _host() or not parts[1].isdigit():
        return None, "unknown"
    return int(parts[1]), parts[2]


def _host() -> str:
    boot = _read("/proc/sys/kernel/random/boot_id")
    try:
        namespace = os.readlink("/proc/self/ns/pid")
    except OSError:
        namespace = "unknown"
    return f"{socket.gethostname()[:64]}/{boot}/{namespace}".replace(" ", "_")


def _started(pid: int) -> str:
    fields = _stat(pid)
    if len(fields) < 20 or fields[0] in "ZX":
        return "unknown"
    return fields[19]


def _stat(pid: int) -> list[str]:
    # Fields after the command, which is in parentheses and may hold anything: the 1st is the
    # state, the 20th the start in clock ticks since boot.
    return _read(f"/proc/{pid}/stat").rpartition(")")[2].split()


def _read(path: str) -> str:
    try:
        return Path(path).read_text().strip()
    except OSError:
        return ""
