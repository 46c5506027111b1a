"""A worker as its parent sees it: started, asked, killed.

The child gets one end of a socket pair and a clean environment: no setting of the service, no
database URL, no key.  It leads a process group of its own, so Ctrl-C in a terminal does not
reach it while its parent drains, and whatever it started dies with it.
"""

import os
import pwd
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import service
from service.executors.answers import ending
from service.executors.base import Slot
from service.executors.channel import Channel, Json
from service.variables import variable

KEPT_VARIABLES = (
    "PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "LD_LIBRARY_PATH", "XDG_CACHE_HOME",
    "CXX", "CUDA_HOME", "NVIDIA_VISIBLE_DEVICES",
    "CUDA_DEVICE_ORDER", "CUDA_MPS_PIPE_DIRECTORY",  # which device an index means, and through whom
)  # fmt: skip
ONE_THREAD = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "TORCHINDUCTOR_COMPILE_THREADS": "1"}
# What a worker logs must not fail where the locale has no characters for a path or an error.
LOG_ENCODING = "utf-8:backslashreplace"
# glibc gives large freed blocks back to the kernel and has them zeroed again at the next
# operation, at every meta-iteration on a CPU.  A worker keeps what it once had.
KEEP_MEMORY = {"MALLOC_MMAP_THRESHOLD_": str(2**30), "MALLOC_TRIM_THRESHOLD_": str(2**30)}


class DeviceBroken(Exception):
    """The device of a slot does not work, and why."""


class WorkerChoice(NamedTuple):
    """What all workers are told.

    Args:
        mode, programs, lends: Arguments of `service.executors.programs.Programs`.
        data_sets: Directory of packed data sets.
    """

    mode: str
    programs: Path
    data_sets: Path
    lends: bool

    def arguments(self) -> list[str]:
        """On the command line of `service.executors.worker`."""
        lends = ["lends"] if self.lends else []
        return [self.mode, str(self.programs), str(self.data_sets), *lends]


class WorkerProcess:
    """A live worker of `slot`; `ready` once it has loaded what it needs.

    Must be made by a thread that outlives it: the kernel kills a child with the thread (not only
    the process) that started it.
    """

    def __init__(self, slot: Slot, log_path: Path, choice: WorkerChoice) -> None:
        """Start the process."""
        ours, theirs = socket.socketpair()
        with theirs, open(log_path, "ab") as log:
            self._process = subprocess.Popen(
                [
                    sys.executable, "-m", "service.executors.worker",
                    str(theirs.fileno()), str(os.getpid()), slot.device, *choice.arguments(),
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=[theirs.fileno()],
                env=worker_environment(slot, os.environ),
                start_new_session=True,
            )  # fmt: skip
        self._channel = Channel(ours)
        self.ready = False

    @property
    def pid(self) -> int:
        """Return its process id."""
        return self._process.pid

    def wait_until_ready(self) -> None:
        """Wait for its first message.

        Raises:
            ChannelClosed: it died before.
            DeviceBroken: it cannot compute anything on its device.
        """
        message = self._channel.receive(self.alive)
        if "broken" in message:
            raise DeviceBroken(message["broken"])
        self.ready = True

    def call(self, message: Json) -> Json:
        """Send `message` and wait for the answer.

        Raises:
            ChannelClosed: it died before it answered.
        """
        self._channel.send(message)
        return self._channel.receive(self.alive)

    def alive(self) -> bool:
        """Whether it runs."""
        return self._process.poll() is None

    def end(self) -> str:
        """Kill it and all it started, and return how it had ended: "exit code 1", "SIGKILL"."""
        if self.alive():
            try:
                self._process.wait(timeout=0.5)  # its end of the pair closes just before it ends
            except subprocess.TimeoutExpired:
                pass
        code = self._process.poll()
        how = "it stopped answering" if code is None else ending(code)
        self.kill()
        self._process.wait()
        self._channel.close()
        return how

    def kill(self) -> None:
        """Kill it and all it started; safe from another thread."""
        try:
            os.killpg(self._process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass


def worker_environment(slot: Slot, environment: Mapping[str, str]) -> dict[str, str]:
    """The variables a worker gets: a short list from `environment`, and the slot's own."""
    passed_on = {
        name: value for name in KEPT_VARIABLES if (value := variable(environment, name)) is not None
    }
    root = str(Path(service.__file__).parents[1])  # also where the package is not installed
    paths = [root, *filter(None, environment.get("PYTHONPATH", "").split(os.pathsep))]
    passed_on["PYTHONPATH"] = os.pathsep.join(paths)
    return {
        **_account(),
        **passed_on,
        "PYTHONIOENCODING": LOG_ENCODING,
        **(ONE_THREAD | KEEP_MEMORY if slot.device == "cpu" else {}),
        **slot.environment,
    }


def _account() -> dict[str, str]:
    """A name for a user without an account, as in containers: torch's compiler asks for one."""
    try:
        pwd.getpwuid(os.getuid())
    except KeyError:
        return {"LOGNAME": f"uid-{os.getuid()}"}
    return {}
