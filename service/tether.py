"""A tether: the kernel ends a process when its parent dies, however that dies (Linux).

It is asked for in the child: code that runs between fork and exec in a process with threads can
deadlock.  It holds with the thread that started the child, which must outlive it.  SIGKILL also
ends a child that is stopped.  Where there is no such call the child simply is not tethered.
"""

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def tether(parent_process_id: int, by: signal.Signals) -> bool:
    """End this process by a signal when its parent ends; return False if that already happened."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, int(by), 0, 0, 0)
    return os.getppid() == parent_process_id
