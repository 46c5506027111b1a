"""Programs of a worker: eager at once, compiled where that pays.

    population(signature)   lanes computed at once, as measured for this signature and device
    ready(population)       loads the compiled program if it is there; else, if it pays
                            (`service.executors.worth`), has it compiled by a process of its own

Where every core has a worker, the compiling process takes the core of the worker that wants it: the
worker waits, so that nothing is trained slowly that the program would soon train fast, and the
other workers lose nothing.  Where cores are idle, or on a GPU, it trains on beside it.

What is measured and what is compiled lies in one directory, shared by all workers of a machine
and kept over restarts: a second process only loads.  A compiler that is missing, fails or crashes
costs nothing but speed; it is not tried again for the same program on the same day.
"""

import json
import subprocess
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import NamedTuple

import structlog

from metaopt.errors import CorruptProgram
from metaopt.population.compiled import program_key
from metaopt.population.population import Population
from metaopt.population.signature import Signature
from metaopt.population.sizes import default_lane_chunk
from service.executors.compiler import Job
from service.executors.probe import Facts, probe
from service.executors.program_files import failed_lately, note_failure, write_whole
from service.executors.records import core_seconds, expected
from service.executors.worth import Costs, Work, saved_seconds, worth_compiling

WORTH_PROBING = 1000  # lane-meta-iterations ahead; a probe takes some tens of them
WAIT_SECONDS = 5.0  # in one go: then the dispatcher may have another order
LOOK_SECONDS = 0.05

log = structlog.get_logger("worker")


class Programs:
    """Chooses how a worker runs its populations.

    Args:
        device: "cpu" or "cuda".
        directory: Where measurements and compiled programs are; None measures and compiles
            nothing.
        mode: "auto" compiles what pays; "always" compiles first, then trains; "never" stays eager.
        lends: Whether a process that compiles takes the core of its worker: no core is idle.
        wait_seconds: How long lanes wait for it in one go.
    """

    def __init__(
        self,
        device: str,
        directory: Path | None,
        mode: str = "auto",
        *,
        lends: bool = False,
        wait_seconds: float = WAIT_SECONDS,
    ) -> None:
        """Begin without a compiling process."""
        self._device = device
        self._directory = directory
        self._mode = mode if directory is not None else "never"
        self._lends = lends
        self._wait_seconds = wait_seconds
        self._facts: dict[str, Facts | None] = {}
        self._compiling: _Compiling | None = None

    def population(self, signature: Signature, ahead: int) -> Population:
        """An empty population with as many lanes at once as fit and pay.

        Args:
            ahead: Lane-meta-iterations expected; few are not worth measuring for.
        """
        facts = self._measured(signature, ahead)
        chunk = facts.lane_chunk if facts else default_lane_chunk(signature, self._device)
        return Population(signature, device=self._device, lane_chunk=chunk)

    def ready(self, population: Population, work: Work) -> bool:
        """Let `population` train by its compiled program, if there is one or it pays.

        Returns:
            False while it is compiled and its lanes had better wait: ask again.
        """
        if self._compiling is not None and not self.compiling:
            self.close()
        if self._mode == "never" or self._directory is None or population.compiled:
            return True
        path = population.program_path(self._directory)
        if path.exists() or self._mode == "always":
            self._use(population, path)
        elif not failed_lately(path) and (costs := self._costs(population, work.ahead)):
            if worth_compiling(work, costs):
                self._compile(population, path)
                waits = self._lends and self._takes_less(path, saved_seconds(work, costs))
                return not waits or self._arrived(population, path)
        return True

    @property
    def compiling(self) -> bool:
        """Whether a compiling process of this worker runs."""
        return self._compiling is not None and self._compiling.process.poll() is None

    def close(self) -> None:
        """End the compiling process."""
        if self._compiling is not None:
            with self._compiling.process as process:  # closes its pipe and waits
                process.kill()
            self._compiling = None

    def _use(self, population: Population, path: Path) -> None:
        assert self._directory is not None
        try:
            population.use_compiled(self._directory)
            log.info("program_loaded", program=path.name)
        except Exception as error:  # eager training needs nothing of all this
            path.unlink(missing_ok=True)
            if not isinstance(error, CorruptProgram):  # else it may be compiled again
                note_failure(path, error)
            log.warning("program_failed", program=path.name, cause=str(error)[:500])

    def _takes_less(self, path: Path, saved: float) -> bool:
        """Whether the program at `path` is being compiled, so far for less than it will save."""
        if self._compiling is None or self._compiling.path != path:
            return False
        taken = core_seconds(self._compiling.process.pid)
        return (time.monotonic() - self._compiling.begun if taken is None else taken) < saved

    def _arrived(self, population: Population, path: Path) -> bool:
        """Wait for a while; whether the compiling process has ended, with or without a program."""
        assert self._compiling is not None
        deadline = time.monotonic() + self._wait_seconds
        while self.compiling:
            if time.monotonic() >= deadline:
                return False
            time.sleep(LOOK_SECONDS)
        if path.exists():
            self._use(population, path)
        return True

    def _costs(self, population: Population, ahead: int) -> Costs | None:
        """What its program would cost; None where nothing was measured."""
        signature = population.signature
        facts = self._measured(signature, ahead)
        if facts is None or self._directory is None:
            return None
        guess = expected(self._directory, signature)
        return Costs(
            by_lanes={int(n): s for n, s in facts.by_lanes.items() if int(n) <= facts.lane_chunk},
            program_lanes=population.program_lanes,
            compiled=facts.seconds / guess.faster,
            compiling=guess.seconds,
        )

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

    def _compile(self, population: Population, path: Path) -> None:
        if self.compiling:
            return
        self.close()
        facts = self._measured(population.signature, 0)
        job = Job(
            signature=population.signature.to_json(),
            device=self._device,
            lanes=population.program_lanes,
            path=str(path),
            eager_seconds=facts.seconds if facts else None,
            alone=not self._lends,
        )
        process = subprocess.Popen(
            [sys.executable, "-m", "service.executors.compiler"],
            stdin=subprocess.PIPE,  # it ends when this process does
            stdout=subprocess.DEVNULL,
        )
        self._compiling = _Compiling(process, path, time.monotonic())
        assert process.stdin is not None
        process.stdin.write(json.dumps(asdict(job)).encode() + b"\n")
        process.stdin.flush()


class _Compiling(NamedTuple):
    """A process that compiles the program at `path`, since the monotonic time `begun`."""

    process: "subprocess.Popen[bytes]"
    path: Path
    begun: float
