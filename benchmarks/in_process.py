"""A study of any length in this process: what a trial costs the dispatcher at each of its lengths.

    python benchmarks/in_process.py --sampler auto --pruning asha --trials 10000 [--at 1000 10000]

The dispatcher, its database (SQLite on disk) and its checkpoint files are the real ones.  Workers
are played by a thread that makes scores up at once, from a trial's rates and some noise; orders and
reports go through JSON as on the pipe of a worker.  So a study of 100,000 trials takes minutes, and
nothing but the dispatcher is measured.

CPU is that of this process without what playing the workers takes.  At each of `--at` it is that of
the trials just before, a tenth of them but at least 500 (or half of all), divided by their number.
Memory is by how much the resident set grows from the first of these moments to the last, divided by
the trials between.  `benchmarks/control_plane.py --pairs` runs this for every sampler and rule.
"""

import argparse
import hashlib
import json
import math
import queue
import random
import tempfile
import threading
import time
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from metaopt.plugins.described import Described
from service.blobs.directory import DirectoryStore
from service.database_url import sqlite_url
from service.db.dispatcher import acquire
from service.db.engine import open_engine, reading, transaction
from service.db.schema import migrate
from service.db.tables import Study
from service.dispatcher.checkpoints import CheckpointStore
from service.dispatcher.loop import Dispatcher
from service.dispatcher.store.ledger import Ledger
from service.executors.base import Admit, LaneReport, Plugin, SegmentOrder, SegmentReport, Slot
from service.logs import configure_logging
from service.operations.submit import submit_study
from service.wire.spec.study import StudySpec

Json = dict[str, Any]
SLOTS, RUNGS, TASKS = 2, 2, 2
LEAST_WINDOW = 500
INNER = {"low": 0.001, "high": 0.1, "log": True}
OUTER = {"low": 0.0001, "high": 0.01, "log": True}
SPACES: dict[str, Json] = {
    "maml": {"inner_lr": INNER, "outer_lr": OUTER, "meta_batch": 1},
    "reptile": {"inner_lr": INNER, "epsilon": OUTER, "meta_batch": 1},
}


@dataclass(frozen=True)
class Moment:
    """What had been used when so many trials had begun.

    Args:
        trials: That had begun.
        cpu: Seconds of this process, less those of played workers.
        memory: Bytes of the resident set.
    """

    trials: int
    cpu: float
    memory: int


class PlayedWorkers:
    """An executor whose workers are a thread; it notes what was used whenever trials begin."""

    def __init__(self, marks: list[int], blobs: DirectoryStore) -> None:
        self._blobs = blobs
        self._slots = [Slot(f"cpu:{i}", "cpu") for i in range(SLOTS)]
        self._lanes: dict[str, dict[str, tuple[Admit, int]]] = {s.name: {} for s in self._slots}
        self._orders: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._played = 0.0
        self._begun = 0
        self._marks = sorted(marks, reverse=True)
        self.moments: list[Moment] = []
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    @property
    def slots(self) -> list[Slot]:
        """The slots."""
        return list(self._slots)

    @property
    def described(self) -> tuple[Described, ...]:
        """No plug-ins."""
        return ()

    def plugins(self, slot: str) -> frozenset[Plugin]:
        """No plug-ins."""
        return frozenset()

    def submit(self, slot: str, order: SegmentOrder) -> "Future[SegmentReport]":
        """Have the order carried out."""
        self._begun += sum(lane.checkpoint is None for lane in order.admit)
        while self._marks and self._begun >= self._marks[-1]:
            self.note(self._marks.pop())
        future: Future[SegmentReport] = Future()
        self._orders.put((slot, order, future))
        return future

    def prepare(self, slot: str) -> "Future[None]":
        """A worker that plays needs no start."""
        future: Future[None] = Future()
        future.set_result(None)
        return future

    def close(self) -> None:
        """End the thread."""
        self._orders.put(None)
        self._thread.join()

    def note(self, trials: int) -> None:
        """Note what has been used."""
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        cpu = time.process_time() - self._played
        self.moments.append(Moment(trials, cpu, pages * 4096))

    def _run(self) -> None:
        while (job := self._orders.get()) is not None:
            slot, order, future = job
            order = SegmentOrder.from_json(json.loads(json.dumps(order.to_json())))
            begun = time.thread_time()
            report = self._play(self._lanes[slot], order)
            self._played += time.thread_time() - begun
            future.set_result(SegmentReport.from_json(json.loads(json.dumps(report.to_json()))))

    def _play(self, lanes: dict[str, tuple[Admit, int]], order: SegmentOrder) -> SegmentReport:
        for name in order.evict:
            lanes.pop(name, None)
        for lane in order.admit:
            lanes[lane.trial_id] = (
                lane,
                int(self._blobs.read(lane.checkpoint)) if lane.checkpoint else 0,
            )
        reports = []
        for name, (lane, age) in list(lanes.items()):
            lanes[name] = lane, age + order.iterations
            reports.append(_played_lane(lane, age + order.iterations, order, self._blobs))
        seconds = 1e-3 * order.iterations
        return SegmentReport(
            reports, seconds, seconds, 0.0, 1, "CPU", program="eager", lane_chunk=16
        )


def _played_lane(lane: Admit, age: int, order: SegmentOrder, blobs: DirectoryStore) -> LaneReport:
    checkpoint = digest = None
    if age < lane.horizon or order.at_end != "nothing":
        checkpoint = f"{order.study_id}/{lane.trial_id}-{age}.safetensors"
        blobs.path(checkpoint).write_text(str(age))
        digest = hashlib.sha256(str(age).encode()).hexdigest()
    if lane.trial_id not in order.evaluate:
        return LaneReport(lane.trial_id, age, checkpoint=checkpoint, digest=digest)
    rates = lane.params["inner_lr"], lane.params.get("outer_lr", lane.params.get("epsilon", 0.0))
    inner, outer = (math.log10(float(rate)) for rate in rates)
    tasks = int(order.bank["tasks"])
    noise = random.Random(lane.seed + age)
    level = 1 / (1 + age) + (inner + 1.5) ** 2 + 0.3 * (outer + 3) ** 2
    scores = [abs(level + 0.1 * noise.gauss(0, 1)) for _ in range(tasks)]
    return LaneReport(
        lane.trial_id,
        age,
        scores=scores,
        diverged_share=0.0,
        curve=[1.0, sum(scores) / tasks],
        checkpoint=checkpoint,
        digest=digest,
    )


def spec(trials: int, sampler: str, pruning: str, branches: int = 1) -> Json:
    """A study of trivial trials, judged at two rungs before their end."""
    searched = list(SPACES.items())[:branches]
    search: Json = {"sampler": sampler}
    if sampler == "grid":
        search["grid_points"] = math.ceil(math.sqrt(trials / branches))
    return {
        "name": f"{trials} trivial trials",
        "tasks": {"kind": "linear", "k_shot": 1, "q_query": 1},
        "model": {"kind": "linear"},
        "branches": [{"algorithm": name, "space": space} for name, space in searched],
        "search": search,
        "pruning": {"kind": pruning, "rungs": list(range(1, RUNGS + 1))},
        "budget": {"trials": trials, "meta_iterations": RUNGS + 1},
        "evaluation": {"tasks": TASKS, "curve_steps": 0},
        "verdict": {"finalists": 1, "seeds": 1, "tasks": 2, "compare": "none"},
    }


def window(at: int) -> int:
    """Over how many trials the cost at a length is measured."""
    return min(at // 2, max(LEAST_WINDOW, at // 10))


def run(submitted: Json, at: list[int], directory: Path) -> list[Moment]:
    """Run a study to its end, and return what had been used at its beginning, around `at`, and
    when it had ended.
    """
    url = sqlite_url(directory / "metaopt.db")
    migrate.upgrade(url)
    engine = open_engine(url)
    study_id, now = "0" * 32, datetime.now(UTC)
    with transaction(engine) as session:
        parsed = StudySpec.model_validate(submitted)
        submit_study(session, parsed, None, study_id=study_id, now=now)
        epoch = acquire(session, "benchmark", lambda _: True)
    assert epoch is not None
    blobs = DirectoryStore(directory / "checkpoints")
    store = CheckpointStore(blobs)
    ledger = Ledger(engine, epoch, store, lambda: datetime.now(UTC))
    marks = {mark for n in at for mark in (n - window(n), n)}
    workers, stop = PlayedWorkers(sorted(marks), blobs), threading.Event()
    dispatcher = Dispatcher(ledger, workers, lanes=16, segment_seconds=0.2, stop=stop)
    watch = threading.Thread(target=_stop_at_end, args=(engine, study_id, stop), daemon=True)
    watch.start()
    workers.note(0)
    dispatcher.run()
    workers.note(parsed.budget.trials)
    workers.close()
    with reading(engine) as session:
        row = session.get_one(Study, study_id)
        assert row.status == "completed", row.error
        assert not row.warnings, row.warnings
    return workers.moments


def _stop_at_end(engine: Any, study_id: str, stop: threading.Event) -> None:
    status = "queued"
    while status in ("queued", "running"):
        time.sleep(1.0)
        with reading(engine) as session:
            status = session.get_one(Study, study_id).status
    stop.set()


def figures(moments: list[Moment], at: list[int]) -> Json:
    """CPU (ms) and memory (bytes) of a trial at each length, and of the whole study."""
    first, last = moments[0], moments[-1]
    by_mark = {moment.trials: moment for moment in moments[1:-1]}
    costs = {}
    for n in at:
        before, after = by_mark[n - window(n)], by_mark[n]
        costs[n] = 1e3 * (after.cpu - before.cpu) / window(n)
    least = by_mark[min(by_mark)]
    most = by_mark[max(by_mark)]
    return {
        "ms_per_trial": costs,
        "ms_per_trial_of_all": 1e3 * (last.cpu - first.cpu) / last.trials,
        "bytes_per_trial": (most.memory - least.memory) / max(1, most.trials - least.trials),
    }


def main() -> None:
    """Print the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sampler", default="auto")
    parser.add_argument("--pruning", default="asha")
    parser.add_argument("--branches", type=int, default=1, choices=range(1, 1 + len(SPACES)))
    parser.add_argument("--trials", type=int, default=1000)
    parser.add_argument("--at", type=int, nargs="+", help="lengths; by default the last")
    parser.add_argument("--profile", type=Path, help="where to write a cProfile of it")
    arguments = parser.parse_args()
    at = arguments.at or [arguments.trials]
    submitted = spec(arguments.trials, arguments.sampler, arguments.pruning, arguments.branches)
    with tempfile.TemporaryDirectory() as directory, Path("/dev/null").open("w") as log:
        configure_logging(log)
        if arguments.profile:
            import cProfile

            profile = cProfile.Profile(time.thread_time)
            moments = profile.runcall(run, submitted, at, Path(directory))
            profile.dump_stats(arguments.profile)
        else:
            moments = run(submitted, at, Path(directory))
    print(json.dumps(figures(moments, at)))


if __name__ == "__main__":
    main()
