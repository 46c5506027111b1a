"""The compiling process: makes one program for the workers of this machine, then ends.

    python -m service.executors.compiler        (a `Job` as one line of JSON on stdin)

It trains nothing and holds no lane, so whatever happens to it happens to nobody else.  It ends
with the worker that started it: then its stdin closes.
"""

import fcntl
import json
import os
import shlex
import shutil
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Job:
    """Which program to make: of a `Signature` as plain data, for how many lanes, and where."""

    signature: dict[str, Any]
    device: str
    lanes: int
    directory: str


def main() -> int:
    """Compile unless somebody else does; return the exit status."""
    job = Job(**json.loads(sys.stdin.readline()))
    threading.Thread(target=_end_with_parent, daemon=True).start()
    directory = Path(job.directory)
    directory.mkdir(parents=True, exist_ok=True)
    with (directory / "compiling.lock").open("w") as lock:
        try:
            # One at a time on a machine: the others train meanwhile.
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return 0
        workshop = directory / "workshop"
        shutil.rmtree(workshop, ignore_errors=True)  # of one that was killed
        os.environ["TORCHINDUCTOR_CACHE_DIR"] = _plain(workshop)
        # Else Inductor compiles a test for each vector extension of the processor, for seconds.  A
        # compiler that is older than the processor then fails, and the lanes stay eager.
        os.environ.setdefault("TORCHINDUCTOR_VEC_ISA_OK", "1")
        try:
            return _compile(job, directory)
        finally:
            shutil.rmtree(workshop, ignore_errors=True)


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


def _compile(job: Job, directory: Path) -> int:
    import torch

    from metaopt.population.compiled import PARTIAL
    from metaopt.population.population import Population
    from metaopt.population.signature import Signature
    from service.executors.program_files import compile_record, write_whole

    for left in directory.glob(f"{PARTIAL}*"):  # of one that was killed, too
        shutil.rmtree(left, ignore_errors=True)
    if job.device == "cpu":
        torch.set_num_threads(1)  # as the worker: it is a part of the program
    signature = Signature.from_json(job.signature)
    population = Population(signature, device=job.device, program_lanes=job.lanes)
    path = population.program_path(directory)
    begun = time.monotonic()
    try:
        population.compile(directory)
    except Exception as error:
        path.with_suffix(".failed").write_text(f"{type(error).__name__}: {error}"[:2000])
        print(f"not compiled: {type(error).__name__}: {error}", file=sys.stderr)
        return 1
    seconds = time.monotonic() - begun
    write_whole(compile_record(directory, str(signature.model["kind"])), {"seconds": seconds})
    return 0


def _end_with_parent() -> None:
    sys.stdin.read()
    os._exit(1)


if __name__ == "__main__":
    sys.exit(main())
