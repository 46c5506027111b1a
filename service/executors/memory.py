"""Memory of a worker: the most it may take.

The limit is the kernel's on private writable memory (RLIMIT_DATA, Linux): what tensors, the heap
and stacks take.  It does not count what is only reserved or mapped from a file, which torch and its
libraries do for gigabytes (RLIMIT_AS would), and an allocation beyond it fails where it is made, so
that the worker lives and says so (a watch on resident memory could only kill it).

An allocation also fails where the host refuses it, as one that commits no more than it has
(`vm.overcommit_memory`), or by a limit that somebody else has set.  By what the worker takes it is
told which of the two it was, with what is asked for where the error says that:

    taken + asked ≤ 0.9 · limit         the host refused: the limit allows it
    taken + asked > 0.9 · limit         the limit, or close to it: the lanes take too much
    taken ≤ 0.5 · limit, asked unknown  the host, if it also refuses what is left up to 0.9 · limit
    taken > 0.5 · limit, asked unknown  the limit
    no limit                            nobody can tell: the lanes, as on a device

`taken` is the most private memory that the worker is known to have had (`VmData`, which is what the
kernel compares with the limit, or the peak of what was resident): what the lanes took is let go of
in part while an error comes up.  So a doubt is the lanes' fault.
"""

import mmap
import os
import resource
import sys
from collections.abc import Iterator
from pathlib import Path

from service.executors.cores import own_groups

LEAST_BYTES = 2 * 2**30  # torch itself takes a quarter of a GiB, and a study of small models two
ALLOWED = 0.9  # of the limit: what fits into that, the limit has not stopped
FAR_BELOW = 0.5  # of the limit: where something of unknown size may be the host's refusal
SHARE = 0.8  # of the memory; the rest is for whoever starts workers, and for the system


def fair_share(workers: int, root: Path = Path("/")) -> int:
    """The most bytes of each of so many workers, by default.

    Args:
        workers: That share the memory.
        root: Where `/proc` and the mount points are found.
    """
    return max(LEAST_BYTES, int(SHARE * usable_memory(root)) // max(1, workers))


def worker_limit(workers: int, set_bytes: int | None) -> int | None:
    """The most bytes of each of so many workers on cores: as it is set, or a share; None of none.

    Args:
        workers: On cores; on a device, its own memory is the limit.
        set_bytes: METAOPT_WORKER_BYTES.
    """
    return (set_bytes or fair_share(workers)) if workers else None


def usable_memory(root: Path = Path("/")) -> int:
    """Bytes that this process may use: the machine's, or what its control groups allow."""
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return min([machine, *_group_limits(root)])


def _group_limits(root: Path) -> Iterator[int]:
    for version, directory in own_groups("memory", root):
        file = "memory.max" if version == 2 else "memory.limit_in_bytes"
        try:
            text = (directory / file).read_text().strip()
        except OSError:
            continue
        if text.isdigit() and int(text):  # "max" is none
            yield int(text)


def limit_memory(memory_bytes: int) -> None:
    """Let this process, and what it starts, each take at most so much from now on.

    A lower limit that somebody has set stays.  Where the kernel knows none that fits, nothing
    happens.
    """
    if sys.platform != "linux":
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
    set_already = [one for one in (soft, hard) if one != resource.RLIM_INFINITY]
    resource.setrlimit(resource.RLIMIT_DATA, (min([memory_bytes, *set_already]), hard))


def refused_by_host(asked_bytes: int | None) -> bool:
    """Whether it was the host that refused an allocation, and not this process's own limit.

    Args:
        asked_bytes: What was asked for; None if that is not known.
    """
    limit = own_limit()
    if limit is None:
        return False
    taken, allowed = taken_bytes(), int(ALLOWED * limit)
    if asked_bytes is not None:
        return taken + asked_bytes <= allowed
    return taken <= FAR_BELOW * limit and not _is_granted(allowed - taken)


def own_limit() -> int | None:
    """The most private memory of this process; None without a limit, or where none is known."""
    if sys.platform != "linux":
        return None
    limit = resource.getrlimit(resource.RLIMIT_DATA)[0]
    return None if limit == resource.RLIM_INFINITY else limit


def taken_bytes(status: Path = Path("/proc/self/status")) -> int:
    """The most private memory that this process is known to have had."""
    lines = (line.partition(":") for line in status.read_text().splitlines())
    kib = {name: int(value.split()[0]) for name, _, value in lines if value.endswith(" kB")}
    resident = kib["VmHWM"] - kib["RssFile"] - kib["RssShmem"]
    return max(kib["VmData"], resident) * 1024


def _is_granted(wanted_bytes: int) -> bool:
    """Whether the kernel would give so much now.  Nothing of it is used."""
    try:
        mmap.mmap(-1, wanted_bytes, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS).close()
    except (OSError, MemoryError):
        return False
    return True
