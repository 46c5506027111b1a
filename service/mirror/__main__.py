"""The mirror's process, `python -m service.mirror`: what its parent says is in `process.py`."""

import json
import os
import signal
import sys
import threading
import time
from typing import TextIO

from service.logs import configure_logging
from service.mirror.process import STOP
from service.mirror.sync import run_mirror
from service.tether import tether

NICE = 5
CUT_SECONDS = 2.0  # for what is under way, such as a study's importances, once nobody needs it


def main() -> None:
    """Follow until the parent wants no more of it, or its epoch is over."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    os.nice(NICE)
    configure_logging(sys.stderr)
    order = json.loads(sys.stdin.readline())
    if not tether(order["parent"], signal.SIGKILL):  # also where it is stopped, and reads nothing
        return
    stop, cut = threading.Event(), threading.Event()
    threading.Thread(target=_listen, args=(sys.stdin, stop, cut), daemon=True).start()
    run_mirror(order["database_url"], order["epoch"], stop, cut)


def _listen(parent: TextIO, stop: threading.Event, cut: threading.Event) -> None:
    if parent.readline() == STOP:
        stop.set()
        parent.read()
    cut.set()
    stop.set()
    time.sleep(CUT_SECONDS)
    os._exit(0)


if __name__ == "__main__":
    main()
    sys.stdout.flush()
    os._exit(0)  # whoever listens still holds stdin, and closing that would wait for it
