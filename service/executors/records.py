"""Records: what compiling took and brought here, by device and kinds of model and algorithm.

    record of the same kinds ─▶ of the same model ─▶ the model's own guess, for this machine's speed

All seconds are of one core, so that a record of a busy hour serves an idle one.  A GPU's would be
on the clock, beside a worker that trains on it: what a program brings there is the model's guess.
"""

import json
import math
import os
import time
from functools import cache
from pathlib import Path
from typing import Any

from metaopt.models.kind import CompileGuess
from metaopt.models.registry import MODELS
from metaopt.population.signature import Signature
from service.executors.program_files import write_whole

_GUESSED_WHERE_A_LOOP_TAKES = 0.011  # seconds; `_loop_seconds` where guesses were measured


def keep(directory: Path, signature: Signature, device: str, record: CompileGuess) -> None:
    """Keep what compiling a program of `signature` took and brought."""
    write_whole(_path(directory, signature, device), record._asdict())


def expected(directory: Path, signature: Signature, device: str) -> CompileGuess:
    """What compiling a program of `signature` will take and bring here."""
    model = str(signature.model["kind"])
    alike = sorted(directory.glob(f"compiled-{device}-{model}-*.json"))
    for path in (_path(directory, signature, device), *alike):
        if (record := _read(path)) is not None:
            return record
    guess = MODELS.get(model).compile_guess
    return guess._replace(seconds=guess.seconds * _loop_seconds() / _GUESSED_WHERE_A_LOOP_TAKES)


def core_seconds(process_id: int) -> float | None:
    """Seconds of a core that a process and its ended children have taken; None if nobody says."""
    try:
        fields = Path(f"/proc/{process_id}/stat").read_text().rpartition(")")[2].split()
    except OSError:  # it has ended, or this is no Linux
        return None
    return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")


def _path(directory: Path, signature: Signature, device: str) -> Path:
    return directory / f"compiled-{device}-{signature.model['kind']}-{signature.algorithm}.json"


def _read(path: Path) -> CompileGuess | None:
    """A record; None where there is none that makes sense.

    Nor does one of a program that is no faster: it would keep all others from being compiled.
    """
    try:
        data: Any = json.loads(path.read_text())
        record = CompileGuess(float(data["seconds"]), float(data["faster"]))
    except (OSError, ValueError, TypeError, LookupError):
        return None
    sensible = all(map(math.isfinite, record)) and record.seconds > 0 and record.faster > 1
    return record if sensible else None


@cache
def _loop_seconds() -> float:
    """Seconds of a loop in Python: most of compiling is Python, and this tells its speed here."""
    seconds = []
    for _ in range(5):
        begun = time.process_time()
        total = 0
        for i in range(200_000):
            total += i * i
        seconds.append(time.process_time() - begun)
    return min(seconds)
