"""An executor without processes: segments end at once, as a script says."""

import hashlib
import itertools
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import replace

from metaopt.plugins.described import Described
from service.blobs.directory import DirectoryStore
from service.executors.base import (
    LaneReport,
    Plugin,
    SegmentOrder,
    SegmentReport,
    Slot,
    WorkerGone,
)
from service.executors.blobs import put

FILES = itertools.count()

Script = Callable[[str, SegmentOrder], Exception | None]


def healthy(slot: str, order: SegmentOrder) -> Exception | None:
    """Nothing goes wrong."""
    return None


class ScriptedExecutor:
    """Holds lanes as a worker does; `script` may return the error of a segment.

    Scores are the lane's inner rate on every task, costs its inverse.  A lane named in `diverge`
    diverges.  The first `compiling` segments only wait for a program.  Trivial predictors score
    `support_mean` and 1 more, or fail.
    """

    def __init__(self, slots: int = 2, script: Script = healthy, device: str = "cpu") -> None:
        """Prepare the slots."""
        self._slots = [Slot(f"{device}:{i}", device) for i in range(slots)]
        self._script = script
        self._ages: dict[str, dict[str, int]] = {slot.name: {} for slot in self._slots}
        self._rates: dict[str, float] = {}
        self.orders: list[tuple[str, SegmentOrder]] = []
        self.widths: list[int] = []
        self._horizons: dict[str, int] = {}
        self.diverge: set[str] = set()
        self.closed = False
        self.prepared: list[str] = []
        self.stopped: list[str] = []
        self.given_up: list[str] = []
        self.broken: dict[str, str] = {}
        self.wait_seconds = 0.0
        self.seconds_per_iteration = 0.001
        self.compiling = 0
        self.support_mean = 5.0
        self.trivial_failure: str | None = None
        self.known: dict[str, tuple[Described, ...]] = {}
        self.blobs: DirectoryStore | None = None  # where checkpoints are; set by who runs it

    @property
    def slots(self) -> list[Slot]:
        """Return the slots."""
        return list(self._slots)

    @property
    def described(self) -> tuple[Described, ...]:
        """Return what was said of plug-ins on any slot."""
        everywhere = [one for known in self.known.values() for one in known]
        return tuple({(one.family, one.name, one.digest): one for one in everywhere}.values())

    def plugins(self, slot: str) -> frozenset[Plugin]:
        """Return those of a slot that can be used."""
        known = self.known.get(slot, ())
        usable = [one for one in known if one.refused is None]
        return frozenset(Plugin(one.family, one.name, one.digest) for one in usable)

    def submit(self, slot: str, order: SegmentOrder) -> "Future[SegmentReport]":
        """Carry the order out at once."""
        self.orders.append((slot, order))
        future: Future[SegmentReport] = Future()
        ages = self._change_lanes(slot, order)
        self.widths.append(len(ages))
        error = self._script(slot, order)
        if error is not None:
            ages.clear()
            future.set_exception(error)
        else:
            future.set_result(self._report(ages, order))
        return future

    def stop(self, slot: str) -> None:
        """Remember which segments were to end early."""
        self.stopped.append(slot)

    def give_up(self, slot: str) -> None:
        """Remember whose lanes nobody needs any more."""
        self.given_up.append(slot)

    def prepare(self, slot: str) -> "Future[None]":
        """Start a worker at once, unless the slot's name is in `broken`."""
        self.prepared.append(slot)
        future: Future[None] = Future()
        if slot in self.broken:
            future.set_exception(WorkerGone(self.broken[slot]))
        else:
            future.set_result(None)
        return future

    def close(self) -> None:
        """Remember that it was closed."""
        self.closed = True

    def _change_lanes(self, slot: str, order: SegmentOrder) -> dict[str, int]:
        ages = self._ages[slot]
        for name in order.evict:
            ages.pop(name, None)
        for lane in order.admit:
            assert lane.trial_id not in ages, "admitted twice"
            for one, value in order.signature["structure"].items():
                assert lane.params[one] == value, "admitted to another program"
            age = int(self._blobs().read(lane.checkpoint)) if lane.checkpoint else 0
            ages[lane.trial_id] = age
            self._horizons[lane.trial_id] = lane.horizon
            self._rates[lane.trial_id] = float(lane.params["inner_lr"])
        return ages

    def _report(self, ages: dict[str, int], order: SegmentOrder) -> SegmentReport:
        if self.compiling and order.iterations:
            self.compiling -= 1
            waiting = replace(order, evaluate=[])
            lanes = [self._lane(name, age, waiting) for name, age in ages.items()]
            report = SegmentReport(lanes, 5.0, 0.0, 0.0, 1, "CPU", program="compiling")
            return put(self._blobs(), order, report)
        lanes = []
        for name in ages:
            ages[name] += order.iterations
            lanes.append(self._lane(name, ages[name], order))
        trained = self.seconds_per_iteration * order.iterations
        report = SegmentReport(
            lanes,
            0.01 * len(lanes),
            trained,
            0.0,
            1,
            "CPU",
            wait_seconds=self.wait_seconds,
            trivial=self._trivial(order.trivial_tasks),
            trivial_failure=self.trivial_failure if order.trivial_tasks else None,
        )
        return put(self._blobs(), order, report)

    def _blobs(self) -> DirectoryStore:
        assert self.blobs is not None
        return self.blobs

    def _trivial(self, tasks: int) -> dict[str, list[float]] | None:
        if not tasks or self.trivial_failure is not None:
            return None
        scores = {"support_mean": self.support_mean, "ridge": self.support_mean + 1}
        return {
            name: [score + 0.001 * (i % 3) for i in range(tasks)] for name, score in scores.items()
        }

    def _lane(self, name: str, age: int, order: SegmentOrder) -> LaneReport:
        if name in self.diverge:
            return LaneReport(name, age, diverged_at=age - 1, cause="loss was not finite")
        checkpoint = None
        if age < self._horizons[name] or order.at_end != "nothing":
            # A name never used before, as a worker's, also by an executor after this one.
            directory = self._blobs().workplace(order.checkpoint_directory or "")
            path = directory / f"{name}-{age}-{next(FILES)}"
            path.write_text(str(age))
            checkpoint = str(path)
        digest = hashlib.sha256(str(age).encode()).hexdigest() if checkpoint else None
        if name not in order.evaluate:
            return LaneReport(name, age, checkpoint=checkpoint, digest=digest)
        tasks = order.fewer_tasks.get(name, int(order.bank["tasks"]))
        return LaneReport(
            name,
            age,
            scores=[self._rates[name] + 0.001 * (task % 2) for task in range(tasks)],
            diverged_share=0.0,
            curve=[1.0, self._rates[name]],
            checkpoint=checkpoint,
            digest=digest,
            costs={cost: 1 / self._rates[name] for cost in order.measure},
        )


class Holding(ScriptedExecutor):
    """Keeps the first segment under way until `release`."""

    held: "Future[SegmentReport] | None" = None

    def submit(self, slot: str, order: SegmentOrder) -> "Future[SegmentReport]":
        future = super().submit(slot, order)
        if self.held is not None:
            return future
        self.held, self._result = Future(), future.result()
        return self.held

    def release(self) -> None:
        assert self.held is not None
        self.held.set_result(self._result)
