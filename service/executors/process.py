"""A worker as its parent sees it: started, asked, killed.

Its environment is clean: no setting of the service, no database URL, no key.
"""

import json
import os
import pwd
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

import service
from metaopt.plugins.sources import Sources
from service.executors.base import Plugin, Slot
from service.executors.channel import ChannelSilent, Json
from service.executors.child import ChildProcess
from service.executors.progress import STAGE_TIMES
from service.executors.scratch import Scratch
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


START_SECONDS = 300.0  # torch on a slow disk, beside others that start too
FIRST_SIGN_SECONDS = 60.0  # from an order to the first sign: a worker that lives gives it at once


class DeviceBroken(Exception):
    """The device of a slot does not work, and why."""


class Hung(Exception):
    """A worker lives and gave no sign of progress for too long.

    Args:
        doing: What it did by its last sign; None if it has not even begun with its order.
        seconds: For how long nothing came.
    """

    def __init__(self, doing: str | None, seconds: float) -> None:
        """Say it in words."""
        where = "and had not begun its order" if doing is None else f"while {doing}"
        super().__init__(f"hung: no sign of progress for {seconds:.0f} s {where}")
        self.doing = doing


class WorkerChoice(NamedTuple):
    """What all workers are told.

    Args:
        mode, programs, lends: Arguments of `service.executors.compiling.programs.Programs`.
        data_sets: Directory of packed data sets.
        sources: Of plug-ins that they may import.
        memory_bytes: Most memory of one on a core; None sets no limit.
    """

    mode: str
    programs: Path
    data_sets: Path
    lends: bool
    sources: Sources = Sources()
    memory_bytes: int | None = None

    def arguments(self, slot: Slot) -> list[str]:
        """On the command line of `service.executors.worker`."""
        lends = ["lends"] if self.lends else []
        sources = json.dumps(self.sources.to_json())
        # On a GPU its memory is what limits lanes, and a driver maps as much of the host's.
        most = str(self.memory_bytes or 0) if slot.device == "cpu" else "0"
        directories = [str(self.programs), str(self.data_sets)]
        return [slot.device, self.mode, *directories, sources, most, *lends]


class WorkerProcess(ChildProcess):
    """A live worker of `slot`; `ready` once it has loaded what it needs."""

    def __init__(self, slot: Slot, log_path: Path, choice: WorkerChoice) -> None:
        """Start the process."""
        arguments = choice.arguments(slot)
        self._scratch = Scratch()
        environment = worker_environment(slot, os.environ) | {"TMPDIR": str(self._scratch.path)}
        try:
            with open(log_path, "ab") as log:
                super().__init__("service.executors.worker", arguments, environment, log)
        except OSError:
            self._scratch.remove()
            raise
        self.ready = False
        self.imported: frozenset[Plugin] = frozenset()

    def end(self) -> str:
        """Kill it and all it started, remove its temporary files, and return how it had ended."""
        how = super().end()
        self._scratch.remove()
        return how

    def wait_until_ready(self) -> None:
        """Wait for its first message.

        Raises:
            ChannelClosed: it died before.
            ChannelSilent: it lives, and is not ready in time.
            DeviceBroken: it cannot compute anything on its device.
        """
        message = self.receive(START_SECONDS)
        if "broken" in message:
            raise DeviceBroken(message["broken"])
        self.ready = True

    def call(
        self,
        message: Json,
        patience: float,
        floor: float | None = None,
        *,
        while_: Callable[[], bool] = lambda: True,
    ) -> Json:
        """Send `message` and wait for the answer, from sign of progress to sign of progress.

        Args:
            patience: Seconds between two of them, unless the worker itself asks for more.
            floor: The order's `hang_seconds`.
            while_: Asked once a second: whether to wait on.

        Raises:
            ChannelClosed: it died before it answered, or was waited for no longer.
            Hung: there was no sign for too long.
        """
        self.send(message)
        first = max(patience, STAGE_TIMES * (floor or 0.0))
        doing, limit = None, min(first, FIRST_SIGN_SECONDS)
        while True:
            try:
                answer = self.receive(limit, while_)
            except ChannelSilent:
                raise Hung(doing, limit) from None
            if "progress" not in answer:
                return answer
            doing, limit = str(answer["progress"]), max(patience, answer.get("patience", 0.0))


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
