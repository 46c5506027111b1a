"""A server process as the driver sees it: started, asked, ended."""

import json
import os
import select
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from service.executors.process import KEEP_MEMORY

Json = dict[str, Any]
ROOT = Path(__file__).resolve().parents[2]


class Refused(Exception):
    """The process cannot do what it was asked, for the reason in the message."""


class Process:
    """A `benchmarks.suite.server`.

    Args:
        python: Interpreter, of our environment or of the peers'.
        start: Device, core and drawings file, as the server reads them.
        environment: Variables that it gets besides this process's own.
        timeout_seconds: The longest an answer may take.
    """

    def __init__(
        self, python: Path, start: Json, environment: Mapping[str, str], timeout_seconds: float
    ) -> None:
        self._timeout_seconds = timeout_seconds
        self._log = tempfile.TemporaryFile("w+", errors="replace")
        self._process = subprocess.Popen(
            [str(python), "-m", "benchmarks.suite.server", json.dumps(start)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            cwd=ROOT,
            env={**os.environ, **environment},
            text=True,
        )

    def ask(self, **order: Any) -> Any:
        """Give one order and return its result.

        Raises:
            Refused: it cannot, it died, or it takes too long.
        """
        assert self._process.stdin is not None and self._process.stdout is not None
        try:
            self._process.stdin.write(json.dumps(order) + "\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            raise Refused(self._death()) from None
        # One line is one answer, and it is flushed whole: a file that can be read has all of it.
        if not select.select([self._process.stdout], [], [], self._timeout_seconds)[0]:
            self._process.kill()
            raise Refused(f"no answer in {self._timeout_seconds:g} seconds")
        line = self._process.stdout.readline()
        if not line:
            raise Refused(self._death())
        answer = json.loads(line)
        if "reason" in answer:
            raise Refused(answer["reason"])
        return answer["ok"]

    def end(self) -> None:
        """End the process, whatever it does."""
        self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout, self._log):
            if stream is not None:
                try:
                    stream.close()
                except BrokenPipeError:
                    pass

    def _death(self) -> str:
        self._process.wait()
        self._log.seek(0)
        last = (self._log.read().strip().splitlines() or ["no message"])[-1]
        return f"its process ended ({self._process.returncode}): {last[:200]}"


def environment_of(device: str, keep_memory: Mapping[str, str]) -> dict[str, str]:
    """Return what every contender's process gets: on a CPU one thread, and a worker's allocator."""
    besides = {"XLA_PYTHON_CLIENT_PREALLOCATE": "false", "PYTHONWARNINGS": "ignore"}
    if device != "cpu":
        return besides
    threads = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
    one = dict.fromkeys((*threads, "TORCHINDUCTOR_COMPILE_THREADS"), "1")
    return {**besides, **one, **keep_memory, "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false"}


def interpreter(peers: Path, peer: bool) -> Path:
    """Return the peers' Python for a peer if they have one, else this one."""
    python = peers / "bin" / "python"
    return python if peer and python.exists() else Path(sys.executable)


def keep_memory() -> None:
    """Begin again with the allocator settings a worker has: libc reads them at start only."""
    if any(name not in os.environ for name in KEEP_MEMORY):
        os.execve(sys.executable, [sys.executable, *sys.argv], {**os.environ, **KEEP_MEMORY})


def tethered(python: Path, *command: str) -> list[str]:
    """Return the command that runs a module as a process that ends with this one."""
    return [str(python), "-m", "service.cli.processes.tethered", str(os.getpid()), *command]


def last_line(text: str) -> str:
    """Return the last line of an output, cut to a message."""
    return (text.strip().splitlines() or ["no message"])[-1][:200]


def say(message: str) -> None:
    """Tell who waits."""
    print(message, file=sys.stderr, flush=True)
