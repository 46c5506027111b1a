"""An executor whose segments take simulated time, and end as chance has it."""

from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import replace
from typing import Any

from service.executors.base import (
    MachineFailed,
    OutOfMemory,
    SegmentFailed,
    SegmentOrder,
    SegmentReport,
    StorageFailed,
    WorkerGone,
    WorkerHung,
    WorkerHungIdle,
    WorkerLost,
)
from tests.chaos.simulation.world import World
from tests.fakes.executor import ScriptedExecutor

Fate = Callable[["SimulatedExecutor", str, SegmentOrder, "Future[SegmentReport]"], None]
LONGEST_SEGMENT_SECONDS = 0.6
HANG_SECONDS = 60.0


class Faults:
    """How many more faults there may be, how likely each is, and whom they struck.

    Args:
        struck: How often, by trial.
    """

    def __init__(self, world: World) -> None:
        self._world = world
        self.struck: Counter[str] = Counter()
        self.left = world.chance.choice([0, 2, 6, 12])
        self.share = world.chance.choice([0.1, 0.3, 0.6])

    def strike(self) -> bool:
        """Whether one happens now."""
        struck = self.left > 0 and self._world.chance.random() < self.share
        self.left -= struck
        return struck


class SimulatedExecutor(ScriptedExecutor):
    """Holds lanes as workers do; a worker that dies forgets them, and so does each new executor.

    Args:
        poison: Numbers of search trials that kill their worker whenever they are trained.
    """

    def __init__(self, world: World, faults: Faults, slots: int, poison: frozenset[int]) -> None:
        super().__init__(slots)
        self._world, self._faults, self._poison = world, faults, poison

    def submit(self, slot: str, order: SegmentOrder) -> "Future[SegmentReport]":
        """Begin a segment that ends later."""
        self.orders.append((slot, order))
        future: Future[SegmentReport] = Future()
        self._change_lanes(slot, order)
        if any(int(name[:8], 16) in self._poison for name in self._ages[slot]) and order.iterations:
            self._lose(slot, future, WorkerLost("the worker died: SIGSEGV"), "poison")
        elif self._faults.strike():
            fate = self._world.chance.choice(FATES)
            self._faults.struck.update(self._ages[slot].keys())
            fate(self, slot, order, future)
        else:
            self._report_later(slot, order, future)
        return future

    def prepare(self, slot: str) -> "Future[None]":
        """Start a worker; it may fail."""
        future: Future[None] = Future()
        if self._faults.strike():
            future.set_exception(WorkerGone("the worker could not start"))
        else:
            future.set_result(None)
        return future

    def _seconds(self) -> float:
        return self._world.chance.random() * LONGEST_SEGMENT_SECONDS

    def _report_later(
        self, slot: str, order: SegmentOrder, future: "Future[SegmentReport]", **changes: Any
    ) -> None:
        # Computed now: its files are there before it is reported, as a worker's are.
        report = replace(self._report(self._ages[slot], order), **changes)
        self._world.after(self._seconds(), lambda: self._resolve(slot, future, report))

    def _resolve(self, slot: str, future: "Future[SegmentReport]", report: SegmentReport) -> None:
        self._world.tell(f"{slot} reports {len(report.lanes)} lanes")
        future.set_result(report)

    def _lose(
        self, slot: str, future: "Future[SegmentReport]", error: Exception, why: str,
        seconds: float | None = None,
    ) -> None:  # fmt: skip
        def lose() -> None:
            self._world.tell(f"{slot} fails: {why}")
            self._ages[slot].clear()
            future.set_exception(error)

        self._world.after(self._seconds() if seconds is None else seconds, lose)


def _loss(error: Exception, *, written: bool = False, seconds: float | None = None) -> Fate:
    """The segment is lost; `written` is after its checkpoints were."""

    def fate(
        executor: SimulatedExecutor, slot: str, order: SegmentOrder,
        future: "Future[SegmentReport]",
    ) -> None:  # fmt: skip
        if written:
            executor._report(dict(executor._ages[slot]), order)
        executor._lose(slot, future, error, f"{type(error).__name__} {error}", seconds)

    return fate


def _diverge(
    executor: SimulatedExecutor, slot: str, order: SegmentOrder, future: "Future[SegmentReport]"
) -> None:
    lanes = sorted(executor._ages[slot])
    if lanes:
        executor.diverge.add(executor._world.chance.choice(lanes))
    executor._report_later(slot, order, future)


def _bad_report(
    executor: SimulatedExecutor, slot: str, order: SegmentOrder, future: "Future[SegmentReport]"
) -> None:
    executor._report_later(slot, order, future, lanes=[])


def _compile_first(
    executor: SimulatedExecutor, slot: str, order: SegmentOrder, future: "Future[SegmentReport]"
) -> None:
    executor.compiling = 1
    executor._report_later(slot, order, future)


FATES: list[Fate] = [
    _loss(WorkerLost("the worker died: SIGKILL")),
    _loss(WorkerLost("the worker died: SIGKILL"), written=True),
    _loss(WorkerHung("the worker hung and was killed"), seconds=HANG_SECONDS),
    _loss(WorkerHung("the worker hung and was killed"), written=True, seconds=HANG_SECONDS),
    _loss(WorkerHungIdle("the worker hung before its order"), seconds=HANG_SECONDS),
    _loss(WorkerGone("the worker had died, idle")),
    _loss(OutOfMemory("out of memory", kind="OutOfMemoryError")),
    _loss(SegmentFailed("RuntimeError: it failed", kind="RuntimeError")),
    _loss(MachineFailed("Too many open files", kind="OSError")),
    _loss(StorageFailed("No space left on device", kind="OSError")),
    _loss(SegmentFailed("the checkpoint is damaged", kind="CorruptCheckpoint")),
    _diverge,
    _bad_report,
    _compile_first,
]
