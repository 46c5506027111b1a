"""What many workers cost the dispatcher: CPU per report, and what share of a core they need.

    python -m benchmarks.many_workers [--slots 50 200] [--lanes 64] [--studies 4] [--sampler random]
        [--warm-up 20] [--seconds 30] [--idle 10] [--most-seconds 300] [--quick] [--out FILE]

The dispatcher is the real one, on a SQLite database and checkpoints of its own in a temporary
directory.  Its workers are simulated by one other process, which speaks the messages of real ones
over a pipe: a segment ends five seconds after its order came, every lane leaves a (small)
checkpoint, and lanes at a rung have scores on 100 tasks.  Trials are 600 segments long, and asha
judges them after 4, 40 and 200.

    idle      nothing is queued yet: what slots cost that have nothing to do
    warm-up   workers answer at once until there were so many reports a slot: by then lanes are of
              all ages, and a segment has lanes that are judged, that wait and that begin
    measured  workers answer after five seconds

CPU is user + system time of this process with all its threads: the loop, the database, the pipe.
What is needed is CPU per report × the reports a second of workers that never wait: above 1, one
core is too little.
"""

import argparse
import cProfile
import hashlib
import heapq
import json
import logging
import os
import platform
import queue
import random
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import Future
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import structlog

from metaopt.plugins.described import Described
from service.blobs.directory import DirectoryStore
from service.database_url import sqlite_url
from service.db.dispatcher import acquire
from service.db.engine import open_engine, transaction
from service.db.schema import migrate
from service.dispatcher.checkpoints import CheckpointStore
from service.dispatcher.loop import Dispatcher
from service.dispatcher.store.ledger import Ledger
from service.executors.base import LaneReport, Plugin, SegmentOrder, SegmentReport, Slot
from service.executors.channel import Channel, ChannelClosed
from service.operations.submit import submit_study
from service.output_file import write_output
from service.wire.spec.study import StudySpec

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results"
MODULE = "benchmarks.many_workers"
SEGMENT_SECONDS = 5.0
ITERATION_SECONDS = 0.5
RUNGS, HORIZON = [40, 400, 2000], 6000


def spec(sampler: str) -> StudySpec:
    """Return a study of as many trials as one may have."""
    space = {
        "inner_lr": {"low": 0.001, "high": 0.1, "log": True},
        "outer_lr": {"low": 0.0001, "high": 0.01, "log": True},
    }
    return StudySpec.model_validate(
        {
            "name": "many workers",
            "tasks": {"kind": "linear", "k_shot": 1, "q_query": 1},
            "model": {"kind": "linear"},
            "branches": [{"algorithm": "maml", "space": space}],
            "search": {"sampler": sampler},
            "pruning": {"kind": "asha", "rungs": RUNGS},
            "budget": {"trials": 100_000, "meta_iterations": HORIZON},
            "verdict": {"finalists": 1, "seeds": 1, "tasks": 2, "compare": "none"},
        }
    )


class SimulatedExecutor:
    """Slots whose workers one other process simulates."""

    def __init__(self, slots: int, blobs: DirectoryStore) -> None:
        """Start the process; its segments end at once."""
        self._blobs = blobs
        ours, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    "benchmarks.many_workers",
                    "--workers",
                    f"{theirs.fileno()}",
                ],
                pass_fds=[theirs.fileno()],
                cwd=ROOT,
            )
        self.slots = [Slot(f"cpu:{number}", "cpu") for number in range(slots)]
        self.reports = 0
        self.lanes = 0
        self._channel = Channel(ours)
        self._futures: dict[str, Future[SegmentReport]] = {}
        threading.Thread(target=self._read, daemon=True).start()

    @property
    def described(self) -> tuple[Described, ...]:
        """No plug-ins."""
        return ()

    def plugins(self, slot: str) -> frozenset[Plugin]:
        """No plug-ins."""
        return frozenset()

    def submit(self, slot: str, order: SegmentOrder) -> "Future[SegmentReport]":
        """Send an order."""
        future = self._futures[slot] = Future[SegmentReport]()
        order = replace(order, checkpoint_directory=str(self._blobs.workplace(order.study_id)))
        self._channel.send({"slot": slot, "order": order.to_json()})
        return future

    def prepare(self, slot: str) -> "Future[None]":
        """Say that a worker lives."""
        future: Future[None] = Future()
        future.set_result(None)
        return future

    def pace(self, seconds: float) -> None:
        """Let segments take so long that are ordered from now on."""
        self._channel.send({"seconds": seconds})

    def close(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.wait()

    def _read(self) -> None:
        try:
            while True:
                message = self._channel.receive()
                report = SegmentReport.from_json(message["report"])
                self.reports += 1
                self.lanes += len(report.lanes)
                self._futures.pop(message["slot"]).set_result(report)
        except ChannelClosed:
            return


@dataclass
class Lane:
    """A lane that a simulated worker holds."""

    age: int
    loss: float


class Workers:
    """The simulated workers, in a process of their own.

    Args:
        connection: To the executor.
    """

    def __init__(self, connection: socket.socket) -> None:
        """Begin without lanes."""
        self._channel = Channel(connection)
        self._arrived: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
        self._due: list[tuple[float, int, str, SegmentOrder]] = []
        self._lanes: dict[str, dict[str, Lane]] = {}
        self._seconds, self._told, self._taken = 0.0, set[str](), 0
        self._random = random.Random(0)

    def run(self) -> None:
        """Answer orders until the executor ends."""
        reader = threading.Thread(target=self._read, daemon=True)
        reader.start()
        while reader.is_alive():
            wait = self._due[0][0] - time.monotonic() if self._due else 0.5
            try:
                self._take(self._arrived.get(timeout=max(0.0, min(0.5, wait))))
            except queue.Empty:
                pass
            while self._due and self._due[0][0] <= time.monotonic():
                _, _, slot, order = heapq.heappop(self._due)
                report = self._report(self._lanes.setdefault(slot, {}), order)
                self._channel.send({"slot": slot, "report": report.to_json()})

    def _read(self) -> None:
        try:
            while True:
                self._arrived.put(self._channel.receive())
        except ChannelClosed:
            return

    def _take(self, message: dict[str, Any]) -> None:
        if "seconds" in message:
            self._seconds = message["seconds"]
            self._told.clear()
            return
        slot, seconds = message["slot"], self._seconds
        if slot not in self._told:  # the first is shorter, so that they do not all end together
            self._told.add(slot)
            seconds *= self._random.random()
        self._taken += 1
        order = SegmentOrder.from_json(message["order"])
        heapq.heappush(self._due, (time.monotonic() + seconds, self._taken, slot, order))

    def _report(self, lanes: dict[str, Lane], order: SegmentOrder) -> SegmentReport:
        for trial_id in order.evict:
            lanes.pop(trial_id, None)
        for admitted in order.admit:
            age = int(Path(admitted.checkpoint).name.split("-")[1]) if admitted.checkpoint else 0
            lanes[admitted.trial_id] = Lane(age, float(admitted.params["inner_lr"]))
        for lane in lanes.values():
            lane.age += order.iterations
        evaluated, trained = set(order.evaluate), ITERATION_SECONDS * order.iterations
        reports = [
            self._lane_report(trial_id, lane, order, trial_id in evaluated)
            for trial_id, lane in lanes.items()
        ]
        return SegmentReport(reports, trained, trained, 0.0, 2**30, "a simulated CPU")

    def _lane_report(
        self, trial_id: str, lane: Lane, order: SegmentOrder, evaluated: bool
    ) -> LaneReport:
        checkpoint, digest = None, None
        if lane.age < HORIZON:
            path = Path(order.checkpoint_directory or "") / f"{trial_id}-{lane.age}-{self._taken}"
            path.write_bytes(b"weights")
            checkpoint = f"{order.study_id}/{path.name}"
            digest = hashlib.sha256(path.name.encode()).hexdigest()
        if not evaluated:
            return LaneReport(trial_id, lane.age, checkpoint=checkpoint, digest=digest)
        noise = (self._random.gauss(0.0, 0.01) for _ in range(order.bank["tasks"]))
        return LaneReport(
            trial_id,
            lane.age,
            scores=[lane.loss + one for one in noise],
            diverged_share=0.0,
            curve=[lane.loss] * 11,
            checkpoint=checkpoint,
            digest=digest,
            costs=dict.fromkeys(order.measure, 1.0),
        )


class Bench:
    """A dispatcher in a thread of this process, with simulated workers.

    Args:
        directory: For its database and checkpoints.
        slots, lanes: How many workers, and lanes on each.
        profile: Profile its thread.
    """

    def __init__(self, directory: Path, slots: int, lanes: int, profile: bool) -> None:
        """Start it; nothing is queued."""
        migrate.upgrade(sqlite_url(directory / "metaopt.db"))
        blobs = DirectoryStore(directory / "checkpoints")
        self.executor = SimulatedExecutor(slots, blobs)
        self._engine = open_engine(sqlite_url(directory / "metaopt.db"))
        with transaction(self._engine) as session:
            epoch = acquire(session, "benchmark", lambda _: True)
        assert epoch is not None
        ledger = Ledger(self._engine, epoch, CheckpointStore(blobs), _now)
        self._stop = threading.Event()
        self._dispatcher = Dispatcher(
            ledger, self.executor, lanes=lanes, segment_seconds=SEGMENT_SECONDS, stop=self._stop
        )
        self.profile = cProfile.Profile() if profile else None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def submit(self, spec: StudySpec, studies: int) -> None:
        """Queue studies."""
        with transaction(self._engine) as session:
            for number in range(studies):
                submit_study(session, spec, None, study_id=f"{number:032x}", now=_now())

    def until(self, reports: int, most_seconds: float) -> bool:
        """Wait for so many reports; return False after `most_seconds`."""
        deadline = time.monotonic() + most_seconds
        while self.executor.reports < reports and time.monotonic() < deadline:
            assert self._thread.is_alive(), "the dispatcher ended"
            time.sleep(0.1)
        return self.executor.reports >= reports

    def measure(self, seconds: float) -> dict[str, float]:
        """Return what happens in some seconds, or until the next report if that takes longer."""
        reports, lanes = self.executor.reports, self.executor.lanes
        cpu, begun = time.process_time(), time.perf_counter()
        time.sleep(seconds)
        return {
            "seconds": time.perf_counter() - begun,
            "cpu_seconds": time.process_time() - cpu,
            "reports": self.executor.reports - reports,
            "lanes": self.executor.lanes - lanes,
        }

    def close(self) -> None:
        """End it."""
        self._stop.set()
        self.executor.close()
        self._thread.join(60)
        self._engine.dispose()

    def _run(self) -> None:
        if self.profile is None:
            self._dispatcher.run()
        else:
            self.profile.runcall(self._dispatcher.run)


def _now() -> datetime:
    return datetime.now(UTC)


def measure(slots: int, options: argparse.Namespace) -> dict[str, Any]:
    """Return the figures of so many slots."""
    directory = Path(tempfile.mkdtemp(prefix="metaopt-many-workers-"))
    bench = Bench(directory, slots, options.lanes, options.profile is not None)
    try:
        time.sleep(2.0)
        idle = bench.measure(options.idle)
        bench.submit(spec(options.sampler), options.studies)
        bench.until(options.warm_up * slots, options.most_seconds)
        warm = bench.executor.reports
        bench.executor.pace(SEGMENT_SECONDS)
        bench.until(warm + slots, options.most_seconds)
        busy = bench.measure(options.seconds)
    finally:
        bench.close()
        shutil.rmtree(directory, ignore_errors=True)
    if bench.profile is not None:
        bench.profile.dump_stats(options.profile)
    per_report = busy["cpu_seconds"] / max(1, busy["reports"])
    return {
        "slots": slots,
        "idle_share": idle["cpu_seconds"] / idle["seconds"],
        "reports": busy["reports"],
        "lanes_per_report": busy["lanes"] / max(1, busy["reports"]),
        "cpu_ms_per_report": 1e3 * per_report,
        "used_share": busy["cpu_seconds"] / busy["seconds"],
        "needed_share": per_report * slots / SEGMENT_SECONDS,
        "reports_per_second": busy["reports"] / busy["seconds"],
    }


def table(results: list[dict[str, Any]]) -> str:
    """Return the figures as text."""
    lines = [
        "         idle, of   reports  lanes per    CPU, ms per         of one core",
        " slots     a core  a second     report  report    lane      used    needed",
    ]
    for one in results:
        per_lane = one["cpu_ms_per_report"] / max(1.0, one["lanes_per_report"])
        lines.append(
            f"{one['slots']:6}{one['idle_share']:11.1%}{one['reports_per_second']:10.1f}"
            f"{one['lanes_per_report']:11.1f}{one['cpu_ms_per_report']:8.1f}{per_lane:8.3f}"
            f"{one['used_share']:10.1%}{one['needed_share']:10.1%}"
        )
    return "\n".join(lines)


def main() -> None:
    """Print the table, and write it and the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--slots", type=int, nargs="+", default=[50, 200])
    parser.add_argument("--lanes", type=int, default=64)
    parser.add_argument("--sampler", default="random", help="or tpe, auto")
    parser.add_argument("--studies", type=int, default=4, help="of 100,000 trials, all queued")
    parser.add_argument("--warm-up", type=int, default=20, help="reports a slot before measuring")
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--idle", type=float, default=10.0, help="seconds without a study")
    parser.add_argument("--most-seconds", type=float, default=300.0, help="of the warm-up")
    parser.add_argument("--profile", type=Path, help="write cProfile's statistics there")
    parser.add_argument("--out", type=Path, default=RESULTS / "many_workers.json")
    parser.add_argument("--quick", action="store_true", help="4 slots, nothing is written")
    parser.add_argument("--workers", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.workers is not None:
        Workers(socket.socket(fileno=options.workers)).run()
        return
    if options.quick:
        options.slots, options.warm_up, options.seconds, options.idle = [4], 6, 6.0, 2.0
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    work = (
        f"{options.lanes} lanes a slot, {options.studies} studies, segments of "
        f"{SEGMENT_SECONDS:g} s, sampler {options.sampler}, asha at {RUNGS} of {HORIZON}; "
        f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    )
    print(work, flush=True)
    results = [measure(slots, options) for slots in options.slots]
    text = table(results)
    print(text)
    if not options.quick and options.profile is None:
        write_output(options.out, json.dumps({"work": work, "results": results}, indent=2) + "\n")
        write_output(options.out.with_suffix(".txt"), f"{work}\n{text}\n")


if __name__ == "__main__":
    main()
