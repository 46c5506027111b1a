"""The machine: what it is, and how much of it others used."""

import os
import platform
import resource
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

Json = dict[str, Any]


def processor() -> str:
    """Return the processor's name, where the system tells it."""
    information = Path("/proc/cpuinfo")
    lines = information.read_text().splitlines() if information.exists() else []
    names = (line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor() or "unknown processor")


@contextmanager
def watched() -> Iterator[Json]:
    """Yield what gets `others_share`: the share of all cores that other processes used meanwhile.

    Processes that were started meanwhile must have ended.  None where /proc does not tell.
    """
    machine: Json = {"others_share": None}
    began, busy, own = time.monotonic(), _busy_seconds(), _own_seconds()
    yield machine
    seconds, after = time.monotonic() - began, _busy_seconds()
    if busy is not None and after is not None:
        others = (after - busy) - (_own_seconds() - own)
        machine["others_share"] = max(0.0, others) / seconds / (os.cpu_count() or 1)


def _busy_seconds() -> float | None:
    """Return CPU seconds of the machine so far: user, nice, system, interrupts, stolen."""
    try:
        ticks = [int(field) for field in Path("/proc/stat").read_text().split()[1:9]]
    except OSError:
        return None
    return sum(ticks[i] for i in (0, 1, 2, 5, 6, 7)) / os.sysconf("SC_CLK_TCK")


def _own_seconds() -> float:
    """Return CPU seconds of this process and of all it started that have ended."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)
