"""Who holds the live epoch, as text in its row: host, process and when that process started.

A successor on the same host sees from it that the holder is dead and need not wait until the
row is stale.  The host is named with its boot and its process namespace, and the process with
its start, so neither a reboot, nor another container, nor a reused process id is taken for it.
"""

import os
import socket

from service.process_states import read, started


def this_process() -> str:
    """The name of this process as a holder."""
    pid = os.getpid()
    return f"{_host()} {pid} {started(pid)}"


def is_dead(holder: str) -> bool:
    """Whether `holder` is known to be dead; False wherever that cannot be known."""
    pid, began = _parts(holder)
    return pid is not None and began != "unknown" and started(pid) != began


def process_of(holder: str) -> int | None:
    """The process id of `holder`, if it is a process of this host that is surely still there."""
    pid, began = _parts(holder)
    return pid if pid is not None and started(pid) == began != "unknown" else None


def _parts(holder: str) -> tuple[int | None, str]:
    """The process id and start of a holder of this host, or None."""
    parts = holder.split(" ")
    if len(parts) != 3 or parts[0] != _host() or not parts[1].isdigit():
        return None, "unknown"
    return int(parts[1]), parts[2]


def _host() -> str:
    boot = read("/proc/sys/kernel/random/boot_id")
    try:
        namespace = os.readlink("/proc/self/ns/pid")
    except OSError:
        namespace = "unknown"
    return f"{socket.gethostname()[:64]}/{boot}/{namespace}".replace(" ", "_")
