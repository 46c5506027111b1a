"""Memory of the API's process: what large requests took goes back to the system.

glibc keeps for each of some forty threads an arena of its own, of which little is ever given back,
and after the first large block takes ever larger ones from those.  So a thousand large bodies would
leave a process behind that is more than a hundred megabytes larger.
"""

import ctypes

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_ARENA_MAX = -1, -3, -8  # as in malloc.h
BOUNDS = {
    M_ARENA_MAX: 2,  # Python computes in one thread at a time
    M_MMAP_THRESHOLD: 2**16,
    M_TRIM_THRESHOLD: 2**17,
}


def give_back() -> None:
    """Bound what is kept, before there are threads; nothing where the C library is another one."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        for option, value in BOUNDS.items():
            mallopt(option, value)
