"""Run a module as a process that ends with its parent:

    python -m service.cli.processes.tethered PARENT_PROCESS_ID MODULE …

The kernel sends SIGTERM when the parent dies, however it dies (PR_SET_PDEATHSIG, Linux).  It is
asked for here, in the child: code that runs between fork and exec in a process with threads can
deadlock.  Where there is no such call the child simply is not tethered.
"""

import ctypes
import os
import runpy
import signal
import sys

PR_SET_PDEATHSIG = 1


def tether(parent_process_id: int) -> None:
    """End this process when its parent ends; end it now if that already happened."""
    if sys.platform != "linux":
        return
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, int(signal.SIGTERM), 0, 0, 0)
    if os.getppid() != parent_process_id:
        sys.exit(0)


def main() -> None:
    """Tether this process, then become the module that is named."""
    tether(int(sys.argv[1]))
    sys.argv = sys.argv[2:]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
