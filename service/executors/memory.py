"""Memory of a worker: the most it may take.

The limit is the kernel's on private writable memory (RLIMIT_DATA, Linux): what tensors, the heap
and stacks take.  It does not count what is only reserved or mapped from a file, which torch and its
libraries do for gigabytes (RLIMIT_AS would), and an allocation beyond it fails where it is made, so
that the worker lives and says so (a watch on resident memory could only kill it).
"""

import os
import resource
import sys
from collections.abc import Iterator
from pathlib import Path

from service.executors.cores import own_groups

LEAST_BYTES = 2 * 2**30  # torch itself takes a quarter of a GiB, and a study of small models two
SHARE = 0.8  # of the memory; the rest is for whoever starts workers, and for the system


def fair_share(workers: int, root: Path = Path("/")) -> int:
    """The most bytes of each of so many workers, by default.

    Args:
        workers: That share the memory.
        root: Where `/proc` and the mount points are found.
    """
    return max(LEAST_BYTES, int(SHARE * usable_memory(root)) // max(1, workers))


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
