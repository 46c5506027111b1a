"""Supervised: a child process that is started again when it dies.

    start ─▶ running ──dies──▶ waits 0, 1, 2, 4 … 30 s ─▶ running   stop ─▶ SIGTERM ─▶ (SIGKILL)

A child that dies for the first time, or after a life of some seconds, is started again at once:
whatever killed it is no fault of its start.  Pauses grow while lives are shorter than that.  The
child gets a session of its own, so that Ctrl-C in a terminal reaches the parent alone; it ends with
its parent because `service.cli.processes.tethered` asks the kernel for it.
"""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence

LONG_LIFE_SECONDS = 10.0  # to start takes two to four of them
LONGEST_PAUSE_SECONDS = 30.0


def pause_before_restart(lived_seconds: float, short_lives: int) -> float:
    """How long to wait before the next start.

    Args:
        lived_seconds: The life that has just ended.
        short_lives: How many before it, without a long one between, were short.
    """
    if lived_seconds >= LONG_LIFE_SECONDS or short_lives == 0:
        return 0.0
    return min(LONGEST_PAUSE_SECONDS, 2.0 ** (short_lives - 1))


def tethered(module: str, *arguments: str) -> list[str]:
    """The command that runs `module` as a process that ends with this one."""
    return [
        sys.executable,
        "-m",
        "service.cli.processes.tethered",
        str(os.getpid()),
        module,
        *arguments,
    ]


class Supervised:
    """One child process, kept alive until `stop`.

    Args:
        command: Program and arguments.
        environment: The child's variables.
        say: Called with a sentence whenever the child died.
        drain_seconds: How long the child may take to end after SIGTERM.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        environment: Mapping[str, str],
        say: Callable[[str], None],
        drain_seconds: float,
    ) -> None:
        self._command = list(command)
        self._environment = dict(environment)
        self._say = say
        self._drain_seconds = drain_seconds
        self._stopping = threading.Event()
        self._lock = threading.Lock()
        self._child: subprocess.Popen[bytes] | None = None
        # The kernel ends a tethered child with the *thread* that started it, so one thread
        # starts every child and outlives it.
        self._thread = threading.Thread(target=self._keep_alive, name="supervisor", daemon=True)

    def start(self) -> None:
        """Start the child, and keep starting it."""
        self._thread.start()

    @property
    def process_id(self) -> int | None:
        """The process id of the living child."""
        with self._lock:
            child = self._child
        return child.pid if child is not None and child.poll() is None else None

    def request_stop(self) -> None:
        """Ask the child to drain, and return at once; asked again, it is left to its draining.

        A second SIGTERM would end it at once, with the segments it is waiting for.
        """
        with self._lock:
            asked = self._stopping.is_set()
            self._stopping.set()
            if not asked and self._child is not None and self._child.poll() is None:
                self._child.terminate()

    def stop(self) -> None:
        """Let the child drain, and end it by force if it does not; idempotent."""
        self.request_stop()
        if self._thread.is_alive():
            self._thread.join(self._drain_seconds)
        self.kill()

    def replace(self, process_id: int) -> None:
        """End the child at once, if it still is that process: another is started."""
        with self._lock:
            child = self._child
            if child is not None and child.pid == process_id and child.poll() is None:
                child.kill()

    def kill(self) -> None:
        """End the child at once, if it lives; idempotent."""
        with self._lock:
            self._stopping.set()
            if self._child is not None and self._child.poll() is None:
                self._child.kill()

    def _keep_alive(self) -> None:
        short_lives = 0
        while (child := self._spawn()) is not None:
            born_at = time.monotonic()
            status = child.wait()
            if self._stopping.is_set():
                return
            lived = time.monotonic() - born_at
            pause = pause_before_restart(lived, short_lives)
            short_lives = 0 if lived >= LONG_LIFE_SECONDS else short_lives + 1
            self._say(f"{self._command[-1]} ended with status {status}; {_again(pause)}")
            if self._stopping.wait(pause):
                return

    def _spawn(self) -> subprocess.Popen[bytes] | None:
        with self._lock:
            if self._stopping.is_set():
                return None
            self._child = subprocess.Popen(  # noqa: S603  # this Python, words of ours
                self._command,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )
            return self._child


def _again(pause_seconds: float) -> str:
    return f"again in {pause_seconds:g} s" if pause_seconds else "started again"
