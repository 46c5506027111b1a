"""One run of the sweep: a study, a dispatcher that dies at a point, its successor, and a check."""

import json
import os
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, func, select

from service.db.engine import reading
from service.db.tables import Event, Study
from service.invariants.check import Seen, Verdict, check, look
from tests.chaos.sweep.process import ROOT, Dispatcher
from tests.fakes.processes import children, kill, runs
from tests.fakes.specs import small_spec
from tests.fakes.studies import submit

TOY, REAL = "tests.chaos.toy.dispatcher", "service.daemon"
BEGUN = "start {}\n"
MOST_SECONDS = 420.0
MOST_STARTS = 6
CUSTOMIZE = "from tests.chaos.sweep.instrument import begin\n\nbegin({folder!r})\n"


@dataclass(frozen=True)
class Point:
    """Where a process dies: at the n-th time that it passes a name."""

    name: str
    nth: int

    def __str__(self) -> str:
        return f"{self.name} #{self.nth}"


@dataclass
class Passed:
    """What a run came to.

    Args:
        died: Whether the point was reached.
        starts: How many dispatchers it took.
    """

    point: str
    database: str
    died: bool = False
    starts: int = 0
    seconds: float = 0.0
    violations: list[str] = field(default_factory=list)


def sweep_spec() -> Any:
    """A study that does all that a study may do, and is small."""
    return small_spec(
        pruning={"kind": "median", "rungs": [60, 120], "startup_trials": 1},
        search={"sampler": "random", "replicates": 1},
        verdict={"finalists": 1, "seeds": 1, "tasks": 20, "compare": "none"},
        budget={"trials": 4, "meta_iterations": 180},
    )


def record(engine: Engine, directory: Path, *, dispatcher: str) -> dict[str, int]:
    """Run without a crash; return how often each point was passed, by the process that did most."""
    noted = directory / "points"
    passed = _Run(engine, directory, {"record": str(noted)}, dispatcher).go("none")
    assert passed.violations == [], passed.violations
    lines = Counter(tuple(line.split("\t")) for line in noted.read_text().splitlines())
    most: dict[str, int] = {}
    for (name, _), times in lines.items():
        most[name] = max(most.get(name, 0), times)
    return dict(sorted(most.items()))


def points_of(passed: dict[str, int], role: str) -> list[Point]:
    """The points of a process: of each name the first, and one amid those that come again."""
    points = []
    for name, times in passed.items():
        if name.startswith(role):
            points.append(Point(name, 1))
            if times > 2:
                points.append(Point(name, 1 + times // 2))
    return points


def crash(engine: Engine, directory: Path, point: Point, *, dispatcher: str) -> Passed:
    """Run with a crash at a point, to the end of the study, and check what is left."""
    plan = {
        "crash": {"name": point.name, "nth": point.nth},
        "once": str(directory / "died"),
    }
    return _Run(engine, directory, plan, dispatcher).go(str(point))


def prepared(engine: Engine, data: Path, folder: Path, plan: dict[str, Any]) -> dict[str, str]:
    """Write the plan of a process into a folder of its own; return the process's variables."""
    data.mkdir(parents=True, exist_ok=True)
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(CUSTOMIZE.format(folder=str(folder)))
    (folder / "plan.json").write_text(json.dumps({**plan, "data": str(data)}))
    return {
        **{k: v for k, v in os.environ.items() if not k.startswith("METAOPT_")},
        "PYTHONPATH": f"{folder}{os.pathsep}{ROOT}",
        "OMP_NUM_THREADS": "1",
        "CUDA_VISIBLE_DEVICES": "",
        "METAOPT_DATABASE_URL": engine.url.render_as_string(hide_password=False),
        "METAOPT_DATA_DIRECTORY": str(data),
        "METAOPT_DEVICES": "cpu",
        "METAOPT_SLOTS": "1",
        "METAOPT_COMPILE": "never",
        "METAOPT_SEGMENT_SECONDS": "0.1",
    }


def is_put_away(engine: Engine, study_id: str, data: Path) -> bool:
    """Whether a study has completed and its dispatcher has removed its files."""
    with reading(engine) as session:
        if session.get_one(Study, study_id).status != "completed":
            return False
    checkpoints = data / "checkpoints"
    return not checkpoints.is_dir() or not any(checkpoints.glob("[!.]*"))


class _Run:
    def __init__(
        self, engine: Engine, directory: Path, plan: dict[str, Any], dispatcher: str
    ) -> None:
        self._engine, self._directory, self._module = engine, directory, dispatcher
        self._data, self._folder = directory / "data", directory / "customized"
        self._environment = prepared(engine, self._data, self._folder, plan)
        self._killed_worker = False

    def go(self, point: str) -> Passed:
        passed = Passed(point, self._engine.dialect.name)
        begun = time.monotonic()
        study_id = submit(self._engine, sweep_spec())
        process = self._start(passed)
        try:
            while not is_put_away(self._engine, study_id, self._data):
                if time.monotonic() - begun > MOST_SECONDS or passed.starts > MOST_STARTS:
                    passed.violations.append(f"stuck: {passed.starts} dispatchers were started")
                    break
                if process.exit_code() is not None:
                    process = self._start(passed)
                self._kill_a_worker(process.pid)
                time.sleep(0.05)
            process = self._drain(process, passed)
        finally:
            self._close(process)
        passed.died = (self._directory / "died").exists()
        passed.violations += map(str, self._check().violations)
        passed.seconds = round(time.monotonic() - begun, 1)
        return passed

    def _check(self) -> Verdict:
        seen = Seen(self._data, at_rest=True)
        if self._module == REAL:
            return check(self._engine, seen)
        with reading(self._engine) as session:
            return look(session, seen)  # without Optuna's tables: no mirror has followed

    def _start(self, passed: Passed) -> Dispatcher:
        passed.starts += 1
        log = self._data / "dispatcher.log"
        with log.open("a") as file:
            file.write(BEGUN.format(passed.starts))
        toy = self._module == TOY
        return Dispatcher(self._environment, self._folder, log, toy=toy)

    def _drain(self, process: Dispatcher, passed: Passed) -> Dispatcher:
        """SIGTERM; one that dies on the way is followed by one more, which drains."""
        for _ in range(2):
            if process.exit_code() is None:
                process.terminate()
                if process.wait(60) is None:
                    passed.violations.append("drain: it took more than 60 s")
                    return process
            if process.exit_code() == 0:
                return process
            process = self._start(passed)
            self._until_live(process, passed.starts)
        process.terminate()
        if process.wait(60) != 0:
            passed.violations.append(f"drain: exit code {process.exit_code()}")
        return process

    def _until_live(self, process: Dispatcher, starts: int) -> None:
        log, deadline = self._data / "dispatcher.log", time.monotonic() + 60
        while process.exit_code() is None and time.monotonic() < deadline:
            if "dispatcher_live" in log.read_text().rpartition(BEGUN.format(starts))[2]:
                return
            time.sleep(0.05)

    def _kill_a_worker(self, pid: int) -> None:
        """Once, after the first report: so a loss is among what is passed."""
        if self._killed_worker:
            return
        with reading(self._engine) as session:
            count = select(func.count()).where(Event.kind == "trial_reported")
            if not session.scalar(count):
                return
        for child in children(pid):
            try:
                is_worker = b".worker" in Path(f"/proc/{child}/cmdline").read_bytes()
            except OSError:
                continue
            if is_worker:
                self._killed_worker = True
                kill(child)
                return

    def _close(self, process: Dispatcher) -> None:
        workers = children(process.pid)
        process.kill()
        deadline = time.monotonic() + 10
        while any(map(runs, workers)) and time.monotonic() < deadline:
            time.sleep(0.05)
