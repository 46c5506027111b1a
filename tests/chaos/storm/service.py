"""The service under test: API, a live dispatcher and a standby, each a process of this run.

Only what was started here, and their children, are ever signalled.
"""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from tests.fakes.processes import children, runs

ROOT = Path(__file__).parents[3]
LOG_SHOWN = 8000


class Service:
    """Starts the processes, and starts again what has died.

    Args:
        database_url: With all tables.
        data_directory: Of the run.
        dispatcher: The module of the dispatcher's process.
        standby: Whether a second one stands by.
        first: Directories that come first on the path of all of them.
        settings: Variables by name.
    """

    def __init__(
        self, database_url: str, data_directory: Path, *, dispatcher: str, standby: bool = True,
        first: Sequence[Path] = (), **settings: str,
    ) -> None:  # fmt: skip
        data_directory.mkdir(parents=True, exist_ok=True)
        self.data_directory = data_directory
        self.port = _free_port()
        self._environment = {
            **{k: v for k, v in os.environ.items() if not k.startswith("METAOPT_")},
            "PYTHONPATH": os.pathsep.join(map(str, [*first, ROOT])),
            "OMP_NUM_THREADS": "1",
            "CUDA_VISIBLE_DEVICES": "",
            "METAOPT_DATABASE_URL": database_url,
            "METAOPT_DATA_DIRECTORY": str(data_directory),
            "METAOPT_PORT": str(self.port),
            "METAOPT_DEVICES": "cpu",
            "METAOPT_SLOTS": "2",
            "METAOPT_COMPILE": "never",
            "METAOPT_SEGMENT_SECONDS": "0.15",
            **settings,
        }
        self._commands = {
            "api": [sys.executable, "-c", "from service.cli.main import main; main()", "api"],
            "dispatcher 1": [sys.executable, "-m", dispatcher],
        }
        if standby:
            self._commands["dispatcher 2"] = [sys.executable, "-m", dispatcher]
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._stopped: dict[int, float] = {}
        self.seen: set[int] = set()

    def keep_up(self) -> list[str]:
        """Start what is not running; return the names of those that were started again."""
        again = []
        for name, command in self._commands.items():
            process = self._processes.get(name)
            if process is None or process.poll() is not None:
                again += [name] if process is not None else []
                with self._log(name).open("ab") as log:
                    self._processes[name] = subprocess.Popen(
                        command, cwd=ROOT, env=self._environment, stdin=subprocess.DEVNULL,
                        stdout=log, stderr=log, start_new_session=True,
                    )  # fmt: skip
        return again

    def pids(self, kind: str) -> list[int]:
        """The processes that a fault may be sent to, of a kind: api, dispatcher, worker, mirror."""
        if kind in ("api", "dispatcher"):
            return [p.pid for n, p in sorted(self._processes.items()) if n.startswith(kind)
                    and p.poll() is None]  # fmt: skip
        found = [child for parent in self.pids("dispatcher") for child in children(parent)]
        own = [pid for pid in sorted(found) if self._is(pid, kind)]
        self.seen.update(own)
        return own

    def send(self, pid: int, number: signal.Signals) -> bool:
        """Send a signal to a process of this run; False if it has just ended."""
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            return False
        if number == signal.SIGSTOP:
            self._stopped[pid] = time.monotonic()
        return True

    def wake(self, after_seconds: float = 0.0) -> None:
        """Let those go on that were stopped so long ago."""
        for pid, since in list(self._stopped.items()):
            if time.monotonic() - since >= after_seconds:
                del self._stopped[pid]
                self.send(pid, signal.SIGCONT)

    def drain(self, seconds: float = 60.0) -> dict[str, int | None]:
        """SIGTERM to all; return the exit codes by name, None of one that had to be killed."""
        self.wake()
        self.pids("worker"), self.pids("mirror")
        for process in self._processes.values():
            process.terminate()
        codes: dict[str, int | None] = {}
        for name, process in self._processes.items():
            try:
                codes[name] = process.wait(seconds)
            except subprocess.TimeoutExpired:
                codes[name] = None
        for name, code in codes.items():
            if code != 0:  # it says at its end where it was stuck
                print(f"{name} ended with {code}:\n{self._log(name).read_text()[-LOG_SHOWN:]}")
        return codes

    def _log(self, name: str) -> Path:
        return self.data_directory / f"{name.replace(' ', '-')}.log"

    def close(self) -> None:
        """Kill whatever is left of this run."""
        self.pids("worker"), self.pids("mirror")
        for process in self._processes.values():
            process.kill()
            process.wait()
        for pid in self.seen:
            if runs(pid) and (self._is(pid, "worker") or self._is(pid, "mirror")):
                self.send(pid, signal.SIGKILL)

    def _is(self, pid: int, kind: str) -> bool:
        try:
            said = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        except OSError:
            return False
        module = said[2].decode() if len(said) > 2 else ""
        return module.endswith(".worker") if kind == "worker" else module == "service.mirror"


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
