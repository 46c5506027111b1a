"""Takeovers: a dispatcher freezes at a point while another stands by; how soon is that one live?

Every commit and file operation of a live dispatcher is a state in which it can be frozen: outside a
transaction, or inside one with the row or all of SQLite locked.  Both are real processes; their
workers compute a toy objective.
"""

import os
import random
import shutil
import signal
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import Engine

from service.db.dispatcher import look
from service.db.engine import reading
from service.invariants.check import Seen
from service.invariants.check import look as check
from tests.chaos.sweep.process import Dispatcher
from tests.chaos.sweep.run import (
    TOY,
    Point,
    is_put_away,
    points_of,
    prepared,
    record,
    sweep_spec,
)
from tests.chaos.sweep.sweep import Databases
from tests.fakes.studies import submit

MOST_SECONDS = 10.0  # asked of a takeover
LONGEST_SECONDS = 60.0  # until whatever is waited for counts as not coming
NOT_LIVE_YET = "before commit in service.dispatcher.leadership.standby"
LOOK_SECONDS = 0.02
GOES = {0, 1, -signal.SIGKILL}  # done, its epoch lost, or killed for the lock that it held


@dataclass
class Taken:
    """What came of one.

    Args:
        seconds: From when the first was frozen and the second stood by until the second was live;
            None if the point was not reached.
    """

    point: str
    database: str
    seconds: float | None = None
    violations: list[str] = field(default_factory=list)


def is_live(point: Point) -> bool:
    """Whether a dispatcher that is frozen there has an epoch."""
    return NOT_LIVE_YET not in point.name


def takeovers(
    kind: str, *, jobs: int, sample: int | None = None, seed: int = 0
) -> tuple[list[Taken], int]:
    """Freeze a dispatcher at every point; return what came of it, and how many points there are.

    Args:
        kind: Of database.
        jobs: How many at a time.
        sample: Only so many of them.
        seed: Of the order in which they come.
    """
    directory = Path(tempfile.mkdtemp(prefix="metaopt-takeovers-"))
    with ExitStack() as stack:
        databases = Databases(kind, directory, stack)
        with databases.new() as engine:
            passed = record(engine, directory / "recorded", dispatcher=TOY)
        found = [point for point in points_of(passed, "dispatcher") if is_live(point)]

        def taken(numbered: tuple[int, Point]) -> Taken:
            number, point = numbered
            with databases.new() as engine:
                one = freeze(engine, directory / f"takeover {number}", point)
            told = "not reached" if one.seconds is None else f"{one.seconds:.1f} s"
            print(f"{kind}, {told}: {point}", *one.violations, sep="\n    ", flush=True)
            return one

        chosen = random.Random(seed).sample(found, sample or len(found))
        with ThreadPoolExecutor(jobs) as pool:
            outcomes = list(pool.map(taken, enumerate(chosen)))
    if not any(one.violations for one in outcomes):
        shutil.rmtree(directory, ignore_errors=True)
    return outcomes, len(found)


def freeze(engine: Engine, directory: Path, point: Point) -> Taken:
    """Freeze a dispatcher at a point, have another take over and end the study, and check."""
    return _Takeover(engine, directory, point).go()


class _Takeover:
    def __init__(self, engine: Engine, directory: Path, point: Point) -> None:
        self._engine, self._directory = engine, directory
        self._data = directory / "data"
        self._frozen = directory / "frozen"
        stop = {"name": point.name, "nth": point.nth, "signal": "SIGSTOP"}
        self._plans = [{"crash": stop, "once": str(self._frozen)}, {}]
        self._taken = Taken(str(point), engine.dialect.name)

    def go(self) -> Taken:
        study_id = submit(self._engine, sweep_spec())
        processes = [self._start(0)]
        try:
            self._until("a first that is live", lambda: self._epoch() > 0)
            processes.append(self._start(1))
            stands_by = lambda: "dispatcher_standing_by" in self._log(1).read_text()  # noqa: E731
            ended = lambda: is_put_away(self._engine, study_id, self._data)  # noqa: E731
            self._until("one that stands by", lambda: stands_by() or ended())
            stood_by = time.time()
            self._until("a state", lambda: self._frozen.exists() or ended())
            if not self._frozen.exists():  # then it may be one of those in which it drains
                processes[0].terminate()
                drained = lambda: processes[0].exit_code() is not None  # noqa: E731
                self._until("a drain", lambda: self._frozen.exists() or drained())
            if self._frozen.exists():
                epoch = self._epoch()
                self._until("a takeover", lambda: self._epoch() > epoch)
                begun = max(stood_by, self._frozen.stat().st_mtime)
                self._taken.seconds = round(time.time() - begun, 2)
                self._wake(processes[0])
                self._until("the study", ended)
        except TimeoutError as error:
            self._taken.violations.append(str(error))
        finally:
            self._end(processes)
        with reading(self._engine) as session:
            seen = Seen(self._data, at_rest=True)
            self._taken.violations += map(str, check(session, seen).violations)
        return self._taken

    def _start(self, number: int) -> Dispatcher:
        folder = self._directory / f"customized {number}"
        variables = prepared(self._engine, self._data, folder, self._plans[number])
        return Dispatcher(variables, folder, self._log(number), toy=True)

    def _log(self, number: int) -> Path:
        path = self._directory / f"dispatcher {number}.log"
        path.touch()
        return path

    def _wake(self, first: Dispatcher) -> None:
        """It finds that its epoch is over, changes nothing and ends."""
        if first.exit_code() is None:
            os.kill(first.pid, signal.SIGCONT)
        if first.wait(LONGEST_SECONDS) not in GOES:
            self._taken.violations.append(f"the first went on, or ended with {first.exit_code()}")

    def _end(self, processes: list[Dispatcher]) -> None:
        for process in processes:
            if process.exit_code() is None:
                process.terminate()
                if process.wait(LONGEST_SECONDS) is None:
                    self._taken.violations.append("drain: it took too long")
            process.kill()

    def _until(self, what: str, holds: Callable[[], bool]) -> None:
        deadline = time.monotonic() + LONGEST_SECONDS
        while not holds():
            if time.monotonic() > deadline:
                raise TimeoutError(f"{what}: not within {LONGEST_SECONDS:.0f} s")
            time.sleep(LOOK_SECONDS)

    def _epoch(self) -> int:
        with reading(self._engine) as session:
            seen = look(session)
        return seen.epoch if seen else 0
