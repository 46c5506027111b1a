"""Records: what compiling each program took and brought here, one file per program.

    record of this very program ─▶ believed, whatever it says
    records of others of its model ─▶ what is to be expected of it, by the nearest of them
    none ─▶ the model's own guess, for this machine's speed

Seconds are of one core, so that a record of a busy hour serves an idle one.
"""

import json
import math
import os
import time
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

from metaopt.models.kind import CompileGuess
from metaopt.models.registry import MODELS
from metaopt.population.population import Population
from service.executors.compiling.program_files import read_small, write_whole

MOST = 1e12  # of any number in a record: nobody compiles for so many seconds
_GUESSED_WHERE_A_LOOP_TAKES = 0.011  # seconds; `_loop_seconds` where guesses were measured


@dataclass(frozen=True)
class _Subject:
    """What of a program decides what compiling it takes and brings, beside device and model.

    Args:
        algorithm: Its name.
        weights: Of one lane.
        lanes: Of the program.
        steps: Inner steps that are unrolled in it.
    """

    algorithm: str
    weights: int
    lanes: int
    steps: int

    @classmethod
    def of(cls, population: Population) -> "_Subject":
        signature, program = population.signature, population.program
        unrolled = program.kinds.algorithm.unrolled(signature.structure)
        return cls(
            algorithm=signature.algorithm,
            weights=program.learner.layout.total,
            lanes=population.program_lanes,
            steps=signature.step_cap if unrolled else 1,
        )

    def far_from(self, other: "_Subject") -> tuple[bool, float]:
        sizes = [(s.weights, s.lanes, s.steps) for s in (self, other)]
        ratios = [a / b for a, b in zip(*sizes, strict=True)]
        return self.algorithm != other.algorithm, sum(abs(math.log(ratio)) for ratio in ratios)


def keep(directory: Path, population: Population, record: CompileGuess) -> None:
    """Keep what compiling the program of `population` took and brought."""
    data = {**record._asdict(), **asdict(_Subject.of(population))}
    write_whole(_path(directory, population), data)


def measured(directory: Path, population: Population) -> CompileGuess | None:
    """What compiling the very program of `population` took and brought; None if nobody knows."""
    read = _read(_path(directory, population))
    return None if read is None else read[1]


def expected(directory: Path, population: Population) -> CompileGuess:
    """What compiling the program of `population` will take and bring here.

    That another program is slower than eager lanes is only believed of those of the same size (with
    one inner step conv4 of 16 filters is, 0.75 times as fast, with three it is not, 1.01 times):
    who believed it of all would compile none, and never learn that another size gains.
    """
    if (own := measured(directory, population)) is not None:
        return own
    model, subject = str(population.signature.model["kind"]), _Subject.of(population)
    guess = MODELS.get(model).compile_guess
    others = [read for path in _paths(directory, population) if (read := _read(path)) is not None]
    if not others:
        slower_here = _loop_seconds() / _GUESSED_WHERE_A_LOOP_TAKES
        return guess._replace(seconds=guess.seconds * slower_here)
    others.sort(key=lambda read: subject.far_from(read[0]))
    nearest, record = others[0]
    # A part of compiling is the same for all programs, and weights do not matter to it: three
    # unrolled steps of conv4 take 2.0 times as long as one, and five of an mlp 1.7 times.
    seconds = record.seconds * math.sqrt(subject.steps / nearest.steps)
    served = (r.faster for other, r in others if r.faster > 1 or other == subject)
    return CompileGuess(seconds, next(served, guess.faster))


def core_seconds(process_id: int) -> float | None:
    """Seconds of a core that a process and its ended children have taken; None if nobody says."""
    try:
        fields = Path(f"/proc/{process_id}/stat").read_text().rpartition(")")[2].split()
    except OSError:  # it has ended, or this is no Linux
        return None
    return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")


def _path(directory: Path, population: Population) -> Path:
    program = population.program_path(directory)
    return directory / f"{_prefix(population)}{program.stem}.json"


def _paths(directory: Path, population: Population) -> list[Path]:
    return sorted(directory.glob(f"{_prefix(population)}*.json"))


def _prefix(population: Population) -> str:
    return f"compiled-{population.device}-{population.signature.model['kind']}-"


def _read(path: Path) -> tuple[_Subject, CompileGuess] | None:
    """Of which program a record is, and the record; None where there is none that makes sense."""
    try:
        data: Any = json.loads(read_small(path))
        record = CompileGuess(float(data.pop("seconds")), float(data.pop("faster")))
        subject = _Subject(**data)
        numbers = (*record, subject.weights, subject.lanes, subject.steps)
        sensible = all(0 < number < MOST for number in numbers)
    except (OSError, ValueError, TypeError, LookupError, AttributeError):
        return None
    return (subject, record) if sensible else None


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
