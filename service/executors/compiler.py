"""The compiling process: makes one program for the workers of this machine, then ends.

    python -m service.executors.compiler        (a `Job` as one line of JSON on stdin)

It trains nothing and holds no lane, so whatever happens to it happens to nobody else.  It ends
with the worker that started it, and so do the compilers that it called: then its stdin closes.
"""

import fcntl
import json
import os
import resource
import shlex
import shutil
import signal
import sys
import threading
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

WORKSHOP = "workshop-"
"""How the names of directories begin that Inductor works in."""


@dataclass(frozen=True)
class Job:
    """Which program to make.

    Args:
        signature: A `Signature` as plain data.
        device: Where it is to run.
        lanes: How many it has.
        path: Where it goes.
        eager_seconds: Of one lane's meta-iteration without it, if known.
        alone: Nothing else is to be compiled on the machine meanwhile: it has no core of its own.
    """

    signature: dict[str, Any]
    device: str
    lanes: int
    path: str
    eager_seconds: float | None
    alone: bool


def main() -> int:
    """Compile unless somebody else does; return the exit status."""
    job = Job(**json.loads(sys.stdin.readline()))
    threading.Thread(target=_end_with_parent, daemon=True).start()
    path = Path(job.path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with ExitStack() as locks:
        if job.alone and not _locked(locks, path.with_name("compiling.lock")):
            return 0
        if not _locked(locks, path.with_suffix(".lock")) or path.exists():
            return 0
        workshop = path.with_name(f"{WORKSHOP}{path.stem}")
        shutil.rmtree(workshop, ignore_errors=True)  # of one that was killed
        os.environ["TORCHINDUCTOR_CACHE_DIR"] = _plain(workshop)
        # Else Inductor compiles a test for each vector extension of the processor, for seconds.  A
        # compiler that is older than the processor then fails, and the lanes stay eager.
        os.environ.setdefault("TORCHINDUCTOR_VEC_ISA_OK", "1")
        try:
            return _compile(job, path)
        finally:
            shutil.rmtree(workshop, ignore_errors=True)


def _locked(locks: ExitStack, path: Path) -> bool:
    """Whether nobody else holds the lock at `path`; it is held until `locks` are given up."""
    lock = locks.enter_context(path.open("w"))
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _plain(path: Path) -> str:
    """The path, or another name of it where its own would break Inductor's command lines.

    Those are written and split again without quotes, so that the compiler cannot be told of a
    folder with a space in its name.  The descriptor stays open: the name is good for as long as
    this process lives.
    """
    if shlex.quote(str(path)) == str(path) or sys.platform != "linux":
        return str(path)
    folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY)
    return f"/proc/{os.getpid()}/fd/{folder}/{path.name}"


def _compile(job: Job, path: Path) -> int:
    import torch

    from metaopt.models.kind import CompileGuess
    from metaopt.models.registry import MODELS
    from metaopt.population.compiled import PARTIAL
    from metaopt.population.population import Population
    from metaopt.population.signature import Signature
    from service.executors import records
    from service.executors.probe import compiled_seconds
    from service.executors.program_files import forget_failure, note_failure

    for left in path.parent.glob(f"{PARTIAL}{path.stem}*"):  # of one that was killed, too
        shutil.rmtree(left, ignore_errors=True)
    clear(path.parent, WORKSHOP, PARTIAL)
    if job.device == "cpu":
        torch.set_num_threads(1)  # as the worker: it is a part of the program
    signature = Signature.from_json(job.signature)
    population = Population(signature, device=job.device, program_lanes=job.lanes)
    try:
        population.compile(path.parent)
    except Exception as error:
        note_failure(path, error)
        print(f"not compiled: {type(error).__name__}: {error}", file=sys.stderr)
        return 1
    forget_failure(path)
    seconds = _core_seconds()
    if job.eager_seconds is not None:
        if job.device == "cpu":
            faster = job.eager_seconds / compiled_seconds(population, path.parent)
        else:
            faster = MODELS.get(str(signature.model["kind"])).compile_guess.faster
        records.keep(path.parent, signature, job.device, CompileGuess(seconds, faster))
    return 0


def clear(directory: Path, *prefixes: str) -> None:
    """Remove what compilers of other programs left that were killed: nobody holds their locks."""
    for left in [left for prefix in prefixes for left in directory.glob(f"{prefix}*")]:
        lock = directory / f"{left.name.split('-')[1]}.lock"
        with ExitStack() as locks:
            # Who compiles without a process of its own has no lock, and is none of those.
            if lock.exists() and _locked(locks, lock):
                shutil.rmtree(left, ignore_errors=True)


def _core_seconds() -> float:
    """Seconds of a core that this process and the compilers that it called have taken."""
    whose = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    usages = [resource.getrusage(who) for who in whose]
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def _end_with_parent() -> None:
    sys.stdin.read()
    if os.getpgrp() == os.getpid():  # else it would end others than it called
        os.killpg(0, signal.SIGKILL)
    os._exit(1)


if __name__ == "__main__":
    sys.exit(main())
