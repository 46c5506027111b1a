"""Programs of a worker: eager at once, compiled where that pays.

    population(signature)   lanes computed at once, as measured for this signature and device
    prepare(population)     loads the compiled program if it is there; else, if it pays, has it
                            compiled by a process beside the training

What is measured and what is compiled lies in one directory, shared by all workers of a machine
and kept over restarts: a second process only loads.  A compiler that is missing, fails or crashes
costs nothing but speed; it is not tried again for the same program.
"""

import json
import os
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import structlog

from metaopt.models.registry import MODELS
from metaopt.population.compiled import program_key
from metaopt.population.population import Population
from metaopt.population.signature import Signature
from metaopt.population.sizes import default_lane_chunk
from service.executors.compiler import Job
from service.executors.probe import Facts, probe
from service.executors.program_files import compile_record, write_whole

STEP_BACK = 10  # niceness of a worker on a CPU once it has something compiled
WORTH_PROBING = 1000  # lane-meta-iterations ahead; a probe takes some tens of them

log = structlog.get_logger("worker")


class Programs:
    """Chooses how a worker runs its populations.

    Args:
        device: "cpu" or "cuda".
        directory: Where measurements and compiled programs are; None measures and compiles
            nothing.
        mode: "auto" compiles what pays, beside the training; "always" compiles first, then
            trains; "never" stays eager.
    """

    def __init__(self, device: str, directory: Path | None, mode: str = "auto") -> None:
        """Begin without a compiling process."""
        self._device = device
        self._directory = directory
        self._mode = mode if directory is not None else "never"
        self._facts: dict[str, Facts | None] = {}
        self._compiling: subprocess.Popen[bytes] | None = None

    def population(self, signature: Signature, ahead: int) -> Population:
        """An empty population with as many lanes at once as fit and pay.

        Args:
            ahead: Lane-meta-iterations expected; few are not worth measuring for.
        """
        facts = self._measured(signature, ahead)
        chunk = facts.lane_chunk if facts else default_lane_chunk(signature, self._device)
        return Population(signature, device=self._device, lane_chunk=chunk)

    def prepare(self, population: Population, ahead: int) -> None:
        """Let `population` train by its compiled program, if there is one or it pays.

        Args:
            ahead: Lane-meta-iterations expected, of all workers: they share the program.
        """
        if self._compiling is not None and not self.compiling:
            self.close()
        if self._mode == "never" or self._directory is None or population.compiled:
            return
        path = population.program_path(self._directory)
        if path.exists() or self._mode == "always":
            self._use(population, path)
        elif not _failed(path).exists() and self._pays(population.signature, ahead):
            self._compile_beside(population)

    @property
    def compiling(self) -> bool:
        """Whether a compiling process of this worker runs."""
        return self._compiling is not None and self._compiling.poll() is None

    def close(self) -> None:
        """End the compiling process."""
        if self._compiling is not None:
            with self._compiling:  # closes its pipe and waits
                self._compiling.kill()
            self._compiling = None

    def _use(self, population: Population, path: Path) -> None:
        assert self._directory is not None
        try:
            population.use_compiled(self._directory)
            log.info("program_loaded", program=path.name)
        except Exception as error:  # eager training needs nothing of all this
            path.unlink(missing_ok=True)
            _failed(path).write_text(f"{type(error).__name__}: {error}"[:2000])
            log.warning("program_failed", program=path.name, cause=str(error)[:500])

    def _pays(self, signature: Signature, ahead: int) -> bool:
        facts = self._measured(signature, ahead)
        if facts is None or self._directory is None:
            return False
        seconds, faster = _expected(self._directory, str(signature.model["kind"]))
        return ahead * facts.seconds * (1 - 1 / faster) > seconds

    def _measured(self, signature: Signature, ahead: int) -> Facts | None:
        if self._directory is None:
            return None
        name = f"{program_key(signature, self._device)}.json"
        if self._facts.get(name) is None:
            path = self._directory / name
            if not path.exists() and ahead >= WORTH_PROBING:
                facts = probe(signature, self._device)
                log.info("lanes_measured", lane_chunk=facts.lane_chunk, seconds=facts.seconds)
                if not path.exists():  # another worker was faster: all go by one measurement
                    write_whole(path, asdict(facts))
            if path.exists():
                self._facts[name] = Facts.from_json(json.loads(path.read_text()))
        return self._facts.get(name)

    def _compile_beside(self, population: Population) -> None:
        if self.compiling:
            return
        self.close()
        assert self._directory is not None
        job = Job(
            signature=population.signature.to_json(),
            device=self._device,
            lanes=population.program_lanes,
            directory=str(self._directory),
        )
        self._compiling = subprocess.Popen(
            [sys.executable, "-m", "service.executors.compiler"],
            stdin=subprocess.PIPE,  # it ends when this process does
            stdout=subprocess.DEVNULL,
        )
        assert self._compiling.stdin is not None
        self._compiling.stdin.write(json.dumps(asdict(job)).encode() + b"\n")
        self._compiling.stdin.flush()
        if self._device == "cpu" and os.nice(0) < STEP_BACK:
            # Cores are shared with it, and what is trained meanwhile is trained slowly.  For good:
            # only a privileged process may take it back.
            os.nice(STEP_BACK - os.nice(0))


def _expected(directory: Path, model: str) -> tuple[float, float]:
    seconds, faster = MODELS.get(model).compile_guess
    record = compile_record(directory, model)
    if record.exists():
        seconds = float(json.loads(record.read_text())["seconds"])
    return seconds, faster


def _failed(path: Path) -> Path:
    return path.with_suffix(".failed")
