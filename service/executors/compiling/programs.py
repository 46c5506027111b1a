"""Programs of a worker: eager at once, compiled where that pays.

    population(signature)   lanes computed at once, as measured for this signature and device
    ready(population)       loads the compiled program if it is there and was not found slower;
                            else, if it pays (`…compiling.worth`), has it compiled by a process of
                            its own, which also measures what it brings

Where every core has a worker, the compiling process takes the core of the worker that wants it: the
worker waits, so that nothing is trained slowly that the program would soon train fast, and the
other workers lose nothing.  Where cores are idle, or on a GPU, it trains on beside it.

What is measured and what is compiled lies in one directory, shared by all workers of a machine
and kept over restarts: a second process only loads.  A compiler that is missing, fails or crashes
costs nothing but speed, as does a directory that cannot be used, which is tried again later.  For
the same program none is tried again on the same day after it has failed or hung, nor after it has
crashed twice.

What is compiled is machine code: what this service has not compiled, or somebody has changed, is
never loaded (`…compiling.seal`), is said in the log, removed, and compiled again.
"""

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple
from warnings import catch_warnings, filterwarnings

import structlog

from metaopt.data.shelf import looked_in
from metaopt.errors import CorruptProgram
from metaopt.plugins.load import provided
from metaopt.population.compiled import PARTIAL, program_key
from metaopt.population.kinds import plugins_of
from metaopt.population.population import Population
from metaopt.population.signature import Signature
from metaopt.population.sizes import default_lane_chunk
from service.executors.answers import ending
from service.executors.compiling.compiler import Job
from service.executors.compiling.probe import Facts, probe
from service.executors.compiling.program_files import (
    failed_lately,
    forget_failure,
    note_failure,
    note_use,
    write_whole,
)
from service.executors.compiling.records import core_seconds, expected, measured
from service.executors.compiling.seal import Seal, UntrustedProgram
from service.executors.compiling.worth import Costs, Work, is_faster, saved_seconds, worth_compiling
from service.executors.progress import Progress, Stopped
from service.wire.characters import printable

WORTH_PROBING = 1000  # lane-meta-iterations ahead; a probe takes some tens of them
WAIT_SECONDS = 5.0  # in one go: then the dispatcher may have another order
LOOK_SECONDS = 0.05
LONGEST_WHY = 500  # characters, of a reason that an error of anybody's may be part of
# On the clock, since a compiler that stands still takes no seconds of a core: it has hung if it
# runs so many times as long as was expected, and for so many seconds.
HUNG_TIMES, HUNG_SECONDS = 10.0, 120.0
END_SECONDS = 10.0  # for a compiler to end that is killed
REST_SECONDS = 60.0  # of a directory that cannot be used, until it is tried again

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
        progress: Told that it measures, compiles or waits, and asked whether to end early.
    """

    def __init__(
        self,
        device: str,
        directory: Path | None,
        mode: str = "auto",
        *,
        lends: bool = False,
        wait_seconds: float = WAIT_SECONDS,
        progress: Progress | None = None,
    ) -> None:
        """Begin without a compiling process."""
        self._device = device
        self._home = directory
        self._rests_until = 0.0
        self._mode = mode if directory is not None else "never"
        self._lends = lends
        self._wait_seconds = wait_seconds
        self._progress = progress or Progress()
        self._facts: dict[str, Facts | None] = {}
        self._crashes: Counter[Path] = Counter()
        self._compiling: _Compiling | None = None
        self._told: set[str] = set()  # why models are slow

    def population(self, signature: Signature, ahead: int) -> Population:
        """An empty population with as many lanes at once as fit and pay.

        Args:
            ahead: Lane-meta-iterations expected; few are not worth measuring for.
        """
        with catch_warnings():
            filterwarnings("ignore", "model .* is computed lane by lane")  # that is logged
            population = self._population(signature, ahead)
        self._tell_of_slow(population)
        return population

    def _population(self, signature: Signature, ahead: int) -> Population:
        facts = None
        try:
            facts = self._measured(signature, ahead)
        except OSError as error:
            self._do_without(error)
        chunk = facts.lane_chunk if facts else default_lane_chunk(signature, self._device)
        return Population(signature, device=self._device, lane_chunk=chunk)

    def _tell_of_slow(self, population: Population) -> None:
        why = why_slow(population)
        if why is not None and why not in self._told:
            self._told.add(why)
            log.warning(
                "model_lane_by_lane",
                model=population.signature.model.get("ref"),
                because=why,
                costs="lanes take as long as one after the other, and are not compiled",
            )

    def ready(self, population: Population, work: Work) -> bool:
        """Let `population` train by its compiled program, if there is one or it pays.

        Returns:
            False while it is compiled and its lanes had better wait: ask again.
        """
        try:
            self._look_after_compiler()
            return self._ready(population, work)
        except OSError as error:
            self._do_without(error)
            return True

    @property
    def compiling(self) -> bool:
        """Whether a compiling process of this worker runs."""
        return self._compiling is not None and self._compiling.process.poll() is None

    def close(self) -> None:
        """End the compiling process and the compilers that it called."""
        if self._compiling is not None:
            process, self._compiling = self._compiling.process, None
            with suppress(ProcessLookupError, PermissionError):  # all have ended
                os.killpg(process.pid, signal.SIGKILL)
            assert process.stdin is not None
            with suppress(OSError):
                process.stdin.close()
            with suppress(subprocess.TimeoutExpired):  # inside the kernel: nobody can do more
                process.wait(timeout=END_SECONDS)

    @property
    def _directory(self) -> Path | None:
        """Where measurements and programs are; None while that cannot be used."""
        return self._home if time.monotonic() >= self._rests_until else None

    def _ready(self, population: Population, work: Work) -> bool:
        if self._mode == "never" or self._directory is None or population.compiled:
            return True
        if population.uncompiled is not None:
            return True
        path = population.program_path(self._directory)
        if failed_lately(path):
            return True
        if self._mode == "always":
            self._use(population, path)
        elif path.exists():
            self._use_if_faster(population, path, work)
        elif costs := self._costs(population, work.ahead):
            taken = self._taken(path)  # that is spent, whatever is decided now
            left = replace(costs, compiling=max(0.0, costs.compiling - taken))
            if worth_compiling(work, left):
                self._compile(population, path, costs.compiling)
                overdue = max(0.0, taken - costs.compiling)
                waits = self._compiles(path) and overdue < saved_seconds(work, left)
                return not (self._lends and waits) or self._arrived(population, path, work)
        return True

    def _do_without(self, error: OSError) -> None:
        """Measure, load and compile nothing for a while: the directory cannot be used."""
        log.warning("programs_unusable", directory=str(self._home), cause=str(error)[:500])
        self.close()
        self._rests_until = time.monotonic() + REST_SECONDS

    def _look_after_compiler(self) -> None:
        """End a compiling process that has hung; note its failure, or a second crash."""
        if self._compiling is None:
            return
        process, path, begun, patience = self._compiling
        code = process.poll()
        if code is None and time.monotonic() - begun < patience:
            return
        self.close()
        if code == 0 or path.exists() or failed_lately(path):
            return
        if code is None:
            cause = f"the compiler had not ended after {patience:.0f} seconds"
        else:
            self._crashes[path] += 1
            cause = f"the compiler crashed: {ending(code)}"
        log.warning("compiler_failed", program=path.name, cause=cause)
        if code is None or self._crashes[path] > 1:  # a first crash may have been a stray kill
            note_failure(path, ChildProcessError(cause))

    def _use_if_faster(self, population: Population, path: Path, work: Work) -> None:
        """Use the program at `path` unless it was measured to train this worker's lanes slower.

        One that nobody measured was compiled because somebody said so.
        """
        assert self._directory is not None
        if measured(self._directory, population) is not None:
            # What eager lanes cost was measured before it, and is again if that has been removed.
            costs = self._costs(population, max(work.ahead, WORTH_PROBING))
            if costs is not None and not is_faster(work, costs):
                return
        self._use(population, path)

    def _use(self, population: Population, path: Path) -> None:
        assert self._directory is not None
        seal = Seal.of(self._directory)
        try:
            if not path.exists():
                self._compile_here(population, path, seal)
            note_use(path)  # before it is read: from now on it stays
            population.use_compiled(self._directory, seal.opened)
            log.info("program_loaded", program=path.name)
            forget_failure(path)
        except (CorruptProgram, UntrustedProgram) as error:  # it may be compiled again
            trusted = isinstance(error, CorruptProgram)
            event = "program_failed" if trusted else "program_untrusted"
            log.warning(event, program=path.name, cause=str(error)[:500])
            path.unlink(missing_ok=True)
        except Exception as error:  # eager training needs nothing of all this
            log.warning("program_failed", program=path.name, cause=str(error)[:500])
            note_failure(path, error)

    def _compile_here(self, population: Population, path: Path, seal: Seal) -> None:
        """Compile the program at `path` in this process, without a sign of progress."""
        self._progress.doing("compiling", patience=self._patience(population))
        with TemporaryDirectory(prefix=PARTIAL, dir=path.parent) as workshop:
            population.compile(Path(workshop))
            seal.publish(Path(workshop) / path.name, path)
        self._progress.doing("looking for a program")

    def _compiles(self, path: Path) -> bool:
        """Whether a process of this worker was started for the program at `path`."""
        return self._compiling is not None and self._compiling.path == path

    def _taken(self, path: Path) -> float:
        """Seconds that compiling the program at `path` has taken so far."""
        if self._compiling is None or self._compiling.path != path:
            return 0.0
        taken = core_seconds(self._compiling.process.pid)
        return time.monotonic() - self._compiling.begun if taken is None else taken

    def _arrived(self, population: Population, path: Path, work: Work) -> bool:
        """Wait for a while; whether the compiling process has ended, with or without a program."""
        assert self._compiling is not None
        deadline = time.monotonic() + self._wait_seconds
        while self.compiling:
            if time.monotonic() >= deadline or not self._progress.go_on():
                return False
            time.sleep(LOOK_SECONDS)
        if path.exists():
            self._use_if_faster(population, path, work)
        return True

    def _costs(self, population: Population, ahead: int) -> Costs | None:
        """What its program would cost; None where nothing was measured."""
        signature = population.signature
        facts = self._measured(signature, ahead)
        if facts is None or self._directory is None:
            return None
        guess = expected(self._directory, population)
        return Costs(
            by_lanes=facts.eager,
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
            facts = Facts.read(path)
            if facts is None and ahead >= WORTH_PROBING:
                try:
                    found = probe(signature, self._device, self._progress.check)
                except Stopped:  # it may be measured another time
                    return None
                log.info("lanes_measured", lane_chunk=found.lane_chunk, seconds=found.seconds)
                facts = Facts.read(path)  # another worker was faster: all go by one measurement
                if facts is None:
                    write_whole(path, asdict(found))
                    facts = found
            self._facts[name] = facts
        return self._facts.get(name)

    def _patience(self, population: Population) -> float:
        """For how many seconds compiling its program here may take."""
        assert self._directory is not None
        return _patience(expected(self._directory, population).seconds)

    def _compile(self, population: Population, path: Path, seconds: float) -> None:
        """Start the compiling process; one for another program keeps no core that is lent to this.

        Args:
            seconds: What it is expected to take.
        """
        if self.compiling and (self._compiles(path) or not self._lends):
            return
        self.close()
        facts = self._measured(population.signature, 0)
        job = Job(
            signature=population.signature.to_json(),
            device=self._device,
            lanes=population.program_lanes,
            path=str(path),
            facts=asdict(facts) if facts else None,
            alone=not self._lends,
            data_sets=str(looked_in() or "") or None,
            plugins=provided([one[:2] for one in plugins_of(population.signature)]),
        )
        process = subprocess.Popen(
            [sys.executable, "-m", "service.executors.compiling.compiler"],
            stdin=subprocess.PIPE,  # it ends when this process does
            stdout=subprocess.DEVNULL,
            bufsize=0,
            process_group=0,  # it is killed with the compilers that it called
        )
        patience = _patience(seconds)
        self._compiling = _Compiling(process, path, time.monotonic(), patience)
        assert process.stdin is not None
        with suppress(BrokenPipeError):  # it has crashed, which is seen by its exit status
            process.stdin.write(json.dumps(asdict(job)).encode() + b"\n")


def why_slow(population: Population) -> str | None:
    """Why its lanes are trained one after the other, as every database takes it; None if not."""
    why = population.lane_by_lane
    return None if why is None else printable(why)[:LONGEST_WHY]


def _patience(seconds: float) -> float:
    """After how many seconds a compilation has hung that was expected to take so many."""
    return max(HUNG_SECONDS, HUNG_TIMES * seconds)


class _Compiling(NamedTuple):
    """A process that compiles the program at `path`, since the monotonic time `begun`.

    It has hung if it has not ended `patience` seconds later.
    """

    process: "subprocess.Popen[bytes]"
    path: Path
    begun: float
    patience: float
