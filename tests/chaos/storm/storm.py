"""The storm: studies, faults at random until there were enough, and a check when it is over."""

import json
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, func, select

from service.db.engine import reading
from service.db.optuna.storage import open_storage
from service.db.roles import ROLES
from service.db.states import TERMINAL_STUDIES, TERMINAL_TRIALS
from service.db.tables import Report, Study, Trial
from service.invariants.acknowledged import read_log
from service.invariants.check import Seen, check
from service.invariants.processes import orphans
from service.invariants.snapshots import Snapshots
from service.planning.plan import Plan
from service.wire.spec.study import StudySpec
from tests.chaos.storm.client import Client
from tests.chaos.storm.schedule import Fault, faults
from tests.chaos.storm.service import Service
from tests.chaos.toy.objective import scores_at

STEP_SECONDS = 0.05
PATIENCE_SECONDS = 20.0  # of a fault, for somebody to send it to
AHEAD = 4  # studies that wait or run, beside those that have ended


@dataclass(frozen=True)
class Plot:
    """What a storm is.

    Args:
        seed: Of the schedule of faults.
        studies, trials: How many studies at least, each of how many trials.
        kills: At least so many; more studies are submitted until there were.
        every_seconds: A fault on average.
        stops: Whether processes are stopped for a while, too.
        stop_seconds: For how long: a worker has hung by then, and a standby has taken over.
        hang_seconds: After how long without a sign of progress a worker has hung.
        calm_seconds: Within which all that is left must end once there are no more faults.
        toy: Whether workers compute the toy objective, whose scores are then looked at too.
        standby: Whether a second dispatcher stands by.
    """

    seed: int
    studies: int
    trials: int
    kills: int
    every_seconds: float
    stops: bool = False
    stop_seconds: float = 15.0
    hang_seconds: float = 10.0
    calm_seconds: float = 300.0
    most_seconds: float = 3600.0
    snapshot_seconds: float = 20.0
    toy: bool = True
    standby: bool = True


@dataclass
class Outcome:
    """What came of a storm."""

    seed: int
    database: str
    seconds: float = 0.0
    studies: int = 0
    trials: int = 0
    reports: int = 0
    signals: dict[str, int] = field(default_factory=dict)
    client_retries: int = 0
    exit_codes: dict[str, int | None] = field(default_factory=dict)
    violations: list[str] = field(default_factory=list)
    faults: list[dict[str, Any]] = field(default_factory=list)
    figures: dict[str, Any] = field(default_factory=dict)

    @property
    def passed(self) -> bool:
        return not self.violations

    def to_json(self) -> dict[str, Any]:
        """Return plain data."""
        return {**asdict(self), "passed": self.passed}


def rage(
    plot: Plot, engine: Engine, directory: Path, spec: Callable[[int], dict[str, Any]]
) -> Outcome:
    """Run a storm to its end.

    Args:
        engine: A database with all tables, and no study.
        directory: Empty: data directory, logs and what clients were told.
        spec: The spec of the study of a number.
    """
    url = engine.url.render_as_string(hide_password=False)
    module = "tests.chaos.toy.dispatcher" if plot.toy else "service.daemon"
    settings = {"METAOPT_HANG_SECONDS": str(plot.hang_seconds)}
    service = Service(url, directory / "data", dispatcher=module, standby=plot.standby, **settings)
    return Storm(plot, engine, directory, service, spec).run()


class Storm:
    """A run of the service under faults; `Outages` has others than signals."""

    def __init__(
        self, plot: Plot, engine: Engine, directory: Path, service: Service,
        spec: Callable[[int], dict[str, Any]],
    ) -> None:  # fmt: skip
        self._plot, self._engine, self._directory = plot, engine, directory
        self._service = service
        self._report = Outcome(plot.seed, engine.dialect.name)
        self._counted: Counter[str] = Counter()
        self._ended = 0
        self._raging = True
        self._client = Client(
            f"http://127.0.0.1:{service.port}", directory / "client.jsonl", spec, self._wanted
        )
        self._snapshots = Snapshots(directory / "snapshots")
        self._pause = threading.Event()

    def run(self) -> Outcome:
        """Run it to its end."""
        begun = time.monotonic()
        try:
            self._service.keep_up()
            self._client.start()
            self._rage(begun)
            self._calm()
            self._judge()
        finally:
            self._client.stop()
            self._service.close()
            self._report.seconds = round(time.monotonic() - begun, 1)
            self._report.signals = dict(sorted(self._counted.items()))
            self._report.client_retries = self._client.retries
        return self._report

    def _wanted(self) -> int:
        """How many studies there should be: some ahead of those that ended, while it rages."""
        if not self._raging:
            return len(self._client.acknowledged)
        ahead = self._ended + AHEAD
        return ahead if self._killed() < self._plot.kills else min(ahead, self._plot.studies)

    def _killed(self) -> int:
        return sum(n for what, n in self._counted.items() if what.startswith("SIGKILL"))

    def _rage(self, begun: float) -> None:
        plot = self._plot
        schedule = faults(plot.seed, every_seconds=plot.every_seconds, stops=plot.stops)
        fault, next_at, snapshot_at = next(schedule), begun + 3.0, begun
        while self._killed() < plot.kills or self._ended < plot.studies:
            now = time.monotonic()
            if now - begun > plot.most_seconds:
                self._wrong(f"stuck: {self._ended} studies had ended after {now - begun:.0f} s")
                return
            if self._client.refused:
                self._wrong(f"refused: {self._client.refused}")
                return
            self._keep_up()
            if now >= snapshot_at + plot.snapshot_seconds:
                self._snapshot()
                snapshot_at = time.monotonic()
            if now >= next_at and self._killed() < plot.kills:
                if self._strike(fault, now - begun) or now - next_at > PATIENCE_SECONDS:
                    fault = next(schedule)
                    next_at = now + fault.after_seconds
            self._pause.wait(STEP_SECONDS)
        self._raging = False

    def _keep_up(self) -> None:
        self._service.keep_up()
        self._service.wake(self._plot.stop_seconds)
        self._ended = self._count(Study, Study.status.in_(TERMINAL_STUDIES))

    def _strike(self, fault: Fault, at: float) -> bool:
        """Send a fault; False while there is nobody to send it to."""
        targets = self._service.pids(fault.kind)
        if not targets:
            return False
        pid = targets[int(fault.place * len(targets))]
        if not self._service.send(pid, fault.number):
            return False
        what = f"{fault.number.name} {fault.kind}"
        self._counted[what] += 1
        self._report.faults.append({"at": round(at, 2), "what": what, "of": len(targets)})
        return True

    def _calm(self) -> None:
        """No more faults: everything ends, and the mirror catches up."""
        self._raging = False
        self._service.wake()
        self._until(self._all_ended, self._plot.calm_seconds, "stuck: studies or trials are open")
        self._until(self._caught_up, 120.0, "stuck: the mirror or the files")

    def _caught_up(self) -> bool:
        """Whether the mirror has marked every study as done, and no checkpoint is left."""
        checkpoints = self._directory / "data" / "checkpoints"
        if any(checkpoints.glob("[!.]*")):
            return False
        storage = open_storage(self._engine.url)
        try:
            copies = [one for one in storage.get_all_studies() if "study_id" in one.user_attrs]
            done = {c.user_attrs["study_id"] for c in copies if "mirrored" in c.user_attrs}
            return done >= set(self._client.acknowledged) and len(copies) == sum(
                "mirrored" in copy.user_attrs for copy in copies
            )
        finally:
            storage.remove_session()
            storage.engine.dispose()

    def _all_ended(self) -> bool:
        self._ended = self._count(Study, Study.status.in_(TERMINAL_STUDIES))
        open_trials = self._count(Trial, Trial.status.not_in(TERMINAL_TRIALS))
        return self._ended >= len(self._client.acknowledged) and not open_trials

    def _until(self, true: Callable[[], bool], seconds: float, otherwise: str) -> None:
        deadline = time.monotonic() + seconds
        while not true():
            self._service.keep_up()
            if time.monotonic() > deadline:
                if otherwise:
                    self._wrong(otherwise)
                return
            self._pause.wait(0.5)

    def _judge(self) -> None:
        log = read_log(self._directory / "client.jsonl")
        data = self._directory / "data"
        seen = Seen(data, log, self._directory / "snapshots", at_rest=True)
        verdict = check(self._engine, seen)
        report = self._report
        report.studies, report.trials = verdict.studies, verdict.trials
        report.reports = verdict.reports
        for one in verdict.violations:
            self._wrong(str(one))
        for why in self._unhealthy():
            self._wrong(why)
        if self._plot.toy:
            for why in self._wrong_scores():
                self._wrong(why)
        report.exit_codes = self._service.drain()
        if any(code != 0 for name, code in report.exit_codes.items() if name != "api"):
            self._wrong(f"drain: exit codes {report.exit_codes}")
        for one in orphans(data):
            self._wrong(f"after the drain, {one}")

    def _unhealthy(self) -> Iterator[str]:
        """No trial fails and no study: kills are nobody's fault."""
        with reading(self._engine) as session:
            failed = select(Trial.study_id, Trial.trial_number, Trial.cause)
            for study_id, number, cause in session.execute(failed.where(Trial.status == "failed")):
                yield f"healthy: study {study_id}, trial {number} failed: {cause}"
            other = select(Study.study_id, Study.status, Study.error)
            for study_id, status, error in session.execute(
                other.where(Study.status != "completed", Study.status.in_(TERMINAL_STUDIES))
            ):
                yield f"healthy: study {study_id} is {status}: {error}"

    def _wrong_scores(self) -> Iterator[str]:
        """Each score is what the toy gives without any fault, bit for bit."""
        with reading(self._engine) as session:
            specs = dict(map(tuple, session.execute(select(Study.study_id, Study.spec))))
            plans = {key: Plan.of(StudySpec.model_validate(spec)) for key, spec in specs.items()}
            found = select(Trial, Report).join(Report, Report.trial_id == Trial.trial_id)
            for trial, report in session.execute(found):
                tasks = plans[trial.study_id][trial.role].tasks_at(report.meta_iteration)
                assert trial.role in ROLES
                wanted = scores_at(trial.params, trial.seed, report.meta_iteration, tasks)
                if report.scores != wanted:
                    where = f"study {trial.study_id}, trial {trial.trial_number}"
                    yield f"scores: {where} has others at {report.meta_iteration} than it must"

    def _snapshot(self) -> None:
        with reading(self._engine) as session:
            self._snapshots.take(session)

    def _count(self, table: Any, *where: Any) -> int:
        with reading(self._engine) as session:
            return int(session.scalar(select(func.count()).select_from(table).where(*where)) or 0)

    def _wrong(self, why: str) -> None:
        self._report.violations.append(why)


def spec_of(number: int, trials: int, seed: int) -> dict[str, Any]:
    """The spec of a storm's study of that number: kinds of pruning and samplers in turn."""
    kinds = ["none", "median", "asha", "race", "hyperband"]
    return {
        "name": f"storm {number}",
        "seed": seed * 1000 + number,
        "tasks": {"kind": "sinusoid", "k_shot": 5, "q_query": 5},
        "model": {"kind": "mlp", "widths": [8]},
        "branches": [
            {
                "algorithm": "maml",
                "space": {
                    "inner_lr": {"low": 0.003, "high": 0.03, "log": True},
                    "outer_lr": {"low": 0.001, "high": 0.003, "log": True},
                    "meta_batch": 4,
                },
            },
            {"algorithm": "reptile", "space": {"epsilon": {"low": 0.05, "high": 0.2}}},
        ],
        "search": {"sampler": ["random", "tpe", "qmc"][number % 3]},
        "pruning": {"kind": kinds[number % len(kinds)], "rungs": [60, 120]},
        "budget": {"trials": trials, "meta_iterations": 180},
        "evaluation": {"tasks": 20, "curve_steps": 2},
        "verdict": {"finalists": 2, "seeds": 2, "tasks": 20, "compare": "none"},
    }


def stopped_signals(report: Outcome) -> int:
    """How many processes were stopped."""
    return sum(n for what, n in report.signals.items() if what.startswith(signal.SIGSTOP.name))


def save(report: Outcome, path: Path) -> None:
    """Write a report as JSON."""
    path.write_text(json.dumps(report.to_json(), indent=2) + "\n", encoding="utf-8")
