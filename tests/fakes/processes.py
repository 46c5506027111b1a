"""Real dispatcher processes for tests: started, watched, killed."""

import os
import signal
import subprocess
import sys
from pathlib import Path

from tests.waiting import wait_until


class DispatcherProcess:
    """`python -m service.daemon` on a database; its log lies in the data directory.

    It has one slot, unless a setting says more: each is a process that loads torch.
    """

    def __init__(self, database_url: str, data_directory: Path, **settings: str) -> None:
        """Start it."""
        data_directory.mkdir(parents=True, exist_ok=True)
        self.log_path = data_directory / "dispatcher.log"
        environment = {
            **os.environ,
            "METAOPT_DATABASE_URL": database_url,
            "METAOPT_DATA_DIRECTORY": str(data_directory),
            "METAOPT_SLOTS": "1",
            "METAOPT_SEGMENT_SECONDS": "0.15",
            "CUDA_VISIBLE_DEVICES": "",
            **settings,
        }
        with self.log_path.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "service.daemon"],
                cwd=Path(__file__).parents[2],
                env=environment,
                stdin=subprocess.DEVNULL,
                stderr=log,
            )

    @property
    def pid(self) -> int:
        """Return its process id."""
        return self._process.pid

    def log(self) -> str:
        """Return what it and its predecessors there have logged."""
        return self.log_path.read_text()

    def worker_pids(self) -> list[int]:
        """Return the process ids of its workers."""
        return children(self.pid)

    def workers(self) -> list[int]:
        """Return those of them that train; others mirror."""
        command = b"service.executors.worker"
        return [pid for pid in self.worker_pids() if command in _command(pid)]

    def kill(self) -> None:
        """Kill it as the kernel would, without a word."""
        self._process.kill()
        self._process.wait()

    def terminate(self) -> int:
        """Ask it to drain and return its exit code."""
        self._process.terminate()
        return self._process.wait(timeout=300)

    def wait(self) -> int:
        """Wait for it to end by itself and return its exit code."""
        return self._process.wait(timeout=300)

    def close(self) -> None:
        """End it however it is, and its workers with it."""
        workers = self.worker_pids()
        self.kill()
        wait_until(lambda: not any(map(runs, workers)), 10, what="the end of the workers")


def children(pid: int) -> list[int]:
    """Return the live children of a process, whichever thread started them."""
    found: list[int] = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            found += [int(child) for child in task.read_text().split()]
        except OSError:
            continue
    return [child for child in found if runs(child)]


def _command(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def runs(pid: int) -> bool:
    """Return whether the process runs (a zombie does not)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def kill(pid: int) -> None:
    """SIGKILL."""
    os.kill(pid, signal.SIGKILL)
