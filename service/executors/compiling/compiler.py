"""The compiling process: makes one program for the workers of this machine, then ends.

    python -m service.executors.compiling.compiler        (a `Job` as one line of JSON on stdin)

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
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from metaopt.data.shelf import look_in

WORKSHOP = "workshop-"
"""How the names of directories begin in which a program is made and measured."""


@dataclass(frozen=True)
class Job:
    """Which program to make.

    Args:
        signature: A `Signature` as plain data.
        device: Where it is to run.
        lanes: How many it has.
        path: Where it goes.
        facts: Measurements of its signature (`…compiling.probe.Facts`), if there are any.
        alone: Nothing else is to be compiled on the machine meanwhile: it has no core of its own.
        data_sets: Directory of packed data sets, if there is one.
        plugins: What its worker was provided with (`metaopt.plugins.load.provided`).
    """

    signature: dict[str, Any]
    device: str
    lanes: int
    path: str
    facts: dict[str, Any] | None
    alone: bool
    data_sets: str | None = None
    plugins: list[dict[str, Any]] = field(default_factory=list)


def main() -> int:
    """Compile unless somebody else does; return the exit status."""
    job = Job(**json.loads(sys.stdin.readline()))
    threading.Thread(target=_end_with_parent, daemon=True).start()
    look_in(Path(job.data_sets) if job.data_sets else None)
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
            return _compile(job, path, workshop)
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


def _compile(job: Job, path: Path, workshop: Path) -> int:
    import torch

    from metaopt.models.kind import CompileGuess
    from metaopt.plugins.load import provide_again
    from metaopt.population.population import Population
    from metaopt.population.signature import Signature
    from service.executors.compiling import records
    from service.executors.compiling.probe import Facts, faster_than_eager
    from service.executors.compiling.program_files import forget_failure, note_failure
    from service.executors.compiling.seal import Seal

    clear(path.parent)
    if job.device == "cpu":
        torch.set_num_threads(1)  # as the worker: it is a part of the program
    provide_again(job.plugins)
    signature = Signature.from_json(job.signature)
    population = Population(signature, device=job.device, program_lanes=job.lanes)
    try:
        population.compile(workshop)
        seconds = _core_seconds()
        if job.facts is not None:
            faster = faster_than_eager(population, workshop, Facts(**job.facts))
            # Before the program is there: who found that alone would use it, whatever it brings.
            records.keep(path.parent, population, CompileGuess(seconds, faster))
        Seal.of(path.parent).publish(workshop / path.name, path)
    except Exception as error:
        note_failure(path, error)
        print(f"not compiled: {type(error).__name__}: {error}", file=sys.stderr)
        return 1
    forget_failure(path)
    return 0


def clear(directory: Path) -> None:
    """Remove what compilers of other programs left that were killed: nobody holds their locks."""
    for left in directory.glob(f"{WORKSHOP}*"):
        lock = directory / f"{left.name.removeprefix(WORKSHOP)}.lock"
        with ExitStack() as locks:
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
