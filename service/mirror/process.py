"""The mirror as the dispatcher sees it: a process beside it, that ends with it.

What it costs, a millisecond for each trial and a tenth of a second or more for each study's
figures, would hold up the dispatcher's loop if it ran in the same interpreter, and its libraries
would be loaded there.

    first line    {"database_url": …, "epoch": …, "parent": …}     a URL has a password: it is in no
                                                                    argument
    "stop"        one more sync, then it ends
    end of input  it ends as it is: its parent needs it no longer
    parent dead   the kernel kills it, also where it is stopped and holds a lock of SQLite
    stopped       for 8 s while its parent lives: killed and begun anew, for the same reason

While its parent drains nothing else ends it: it leads a process group of its own, so that Ctrl-C
in a terminal does not reach it, and ignores SIGTERM, which may be sent to every process of a
service.  It steps back (`nice`) for those that train.
"""

import io
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

import structlog
from sqlalchemy import URL

from service.database_url import parse_database_url
from service.process_states import STOPPED, state_of

STOP = "stop\n"
LAST_SYNC_SECONDS = 5.0
END_SECONDS = 2.0
RETRY_SECONDS = 5.0
STOPPED_SECONDS = 8.0
LOOK_SECONDS = 1.0

log = structlog.get_logger("mirror")


@contextmanager
def mirroring(database_url: str | URL, epoch: int, log_to: TextIO | None = None) -> Iterator[None]:
    """Have a mirror follow while the block runs; at its end, in good order, a last sync is made.

    Args:
        database_url: As for `open_engine`.
        epoch: Of the dispatcher that runs this.
        log_to: Where its log goes, by default stderr.
    """
    mirror = _Mirror(database_url, epoch, log_to)
    mirror.start()
    try:
        yield
        mirror.stop()
    finally:
        mirror.end()


class _Mirror:
    """The process, started again if it dies by itself or cannot be started."""

    def __init__(self, database_url: str | URL, epoch: int, log_to: TextIO | None) -> None:
        url = parse_database_url(database_url).render_as_string(hide_password=False)
        order = {"database_url": url, "epoch": epoch, "parent": os.getpid()}
        self._order = json.dumps(order) + "\n"
        self._log_to = log_to
        self._ending = threading.Event()
        self._lock = threading.Lock()
        self._process: subprocess.Popen[str] | None = None
        self._begin()
        self._keeper = threading.Thread(target=self._keep, name="mirror", daemon=True)

    def start(self) -> None:
        """Watch over it."""
        self._keeper.start()

    def stop(self) -> None:
        """Have it make one more sync, and wait for its end, but not for ever."""
        self._ending.set()
        with self._lock:
            self._say(STOP)
        self._keeper.join(LAST_SYNC_SECONDS)

    def end(self) -> None:
        """End it, whatever it does."""
        self._ending.set()
        with self._lock:
            self._close()
        self._keeper.join(END_SECONDS)
        if self._process is not None:
            self._process.kill()
        self._keeper.join()

    def _keep(self) -> None:
        while True:
            if self._process is not None:
                code = _end_of(self._process)
                if code == 0 or self._ending.is_set():
                    return
                log.warning("mirror_died", exit_code=code, retry_seconds=RETRY_SECONDS)
            if self._ending.wait(RETRY_SECONDS):
                return
            with self._lock:
                if not self._ending.is_set():
                    self._close()
                    self._begin()

    def _begin(self) -> None:
        self._process = None
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "service.mirror"],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=_file_number(self._log_to),
                env={**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
                start_new_session=True,
                text=True,
            )
        except OSError as error:  # the machine is short of memory, processes or files
            log.warning("mirror_not_started", error=str(error), retry_seconds=RETRY_SECONDS)
        self._say(self._order)

    def _say(self, line: str) -> None:
        if self._process is None:
            return
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(line)
            self._process.stdin.flush()
        except (BrokenPipeError, ValueError):  # it has ended
            pass

    def _close(self) -> None:
        if self._process is None:
            return
        assert self._process.stdin is not None
        try:
            self._process.stdin.close()
        except BrokenPipeError:
            pass


def _end_of(process: "subprocess.Popen[str]") -> int:
    """The exit code of a process, which is killed once it has been stopped for a while."""
    stopped = 0
    while True:
        try:
            return process.wait(LOOK_SECONDS)
        except subprocess.TimeoutExpired:
            # By looks and not by a clock: this process may have been stopped itself.
            stopped = stopped + 1 if state_of(process.pid) in STOPPED else 0
            if stopped * LOOK_SECONDS >= STOPPED_SECONDS:
                log.error("mirror_frozen", mirror_pid=process.pid)
                process.kill()


def _file_number(stream: TextIO | None) -> int | None:
    """The file that a stream writes to; None, which is stderr, if it writes to none."""
    try:
        return stream.fileno() if stream is not None else None
    except (AttributeError, io.UnsupportedOperation):
        return None
