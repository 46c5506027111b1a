"""Run a module as a process that ends with its parent:

    python -m service.cli.processes.tethered PARENT_PROCESS_ID MODULE …

The kernel sends SIGTERM when the parent dies (`service.tether`).
"""

import runpy
import signal
import sys

from service.tether import tether


def main() -> None:
    """Tether this process, then become the module that is named."""
    if not tether(int(sys.argv[1]), signal.SIGTERM):
        sys.exit(0)
    sys.argv = sys.argv[2:]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
