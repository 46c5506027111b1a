"""One simulated run: a study, a dispatcher, and whatever goes wrong, as a seed has it."""

import shutil
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import structlog
from sqlalchemy import Engine
from sqlalchemy.exc import OperationalError

from service.blobs.directory import DirectoryStore
from service.database_url import sqlite_url
from service.db.dispatcher import EpochLost, acquire
from service.db.engine import open_engine, reading, transaction
from service.db.schema import migrate
from service.db.states import TERMINAL_STUDIES, AttemptOutcome, StudyStatus, TrialStatus
from service.db.tables import Study, Trial
from service.dispatcher import loop, slots, trials
from service.dispatcher.checkpoints import CheckpointStore
from service.dispatcher.loop import Dispatcher
from service.dispatcher.retries import MOST_ATTEMPTS, TOGETHER
from service.dispatcher.slots import SlotsLost
from service.dispatcher.store import steps
from service.dispatcher.store.ledger import Ledger
from service.errors import TransitionImpossible
from service.invariants import files, finite, processes
from service.invariants.check import of_study
from service.invariants.rows import StudyRows, read_study
from service.invariants.snapshots import ended_rows
from service.operations.steer import CANCEL, PAUSE, RESUME, Move, steer_study
from service.operations.submit import submit_study
from service.wire.spec.study import StudySpec
from tests.chaos.simulation.executor import Faults, SimulatedExecutor
from tests.chaos.simulation.line import Line
from tests.chaos.simulation.rebuilt import differences
from tests.chaos.simulation.world import Ended, Killed, Stuck, World
from tests.fakes.specs import small_spec

MOST_LIVES = 60  # dispatchers in a run: each dies of a fault, and those are fewer


@dataclass
class Outcome:
    """What became of a seed.

    Args:
        violations: What must never be.
        told: What happened, line by line.
    """

    seed: int
    violations: list[str] = field(default_factory=list)
    told: list[str] = field(default_factory=list)
    lives: int = 0
    segments: int = 0
    status: str = ""


class Simulator:
    """Runs seeds on one database, which is made as new for each: its queries are compiled once.

    Args:
        directory: For the database and the checkpoints; on a disk in memory it takes no time.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        url = sqlite_url(directory / "metaopt.db")
        migrate.upgrade(url)
        self._template = sqlite3.connect(":memory:")
        with closing(sqlite3.connect(directory / "metaopt.db")) as made:
            made.backup(self._template)
        self._engine, self._others = open_engine(url), open_engine(url)
        self._eye = sqlite3.connect(directory / "metaopt.db")

    def run(self, seed: int) -> Outcome:
        """Run one seed to its end and check what it left."""
        shutil.rmtree(self._directory / "checkpoints", ignore_errors=True)
        with self._engine.connect() as connection:
            database = connection.connection.driver_connection
            assert isinstance(database, sqlite3.Connection)
            self._template.backup(database)
        return _Run(seed, self._engine, self._others, self._eye, self._directory).outcome()

    def close(self) -> None:
        """Give back the database."""
        self._eye.close()
        self._others.dispose()
        self._engine.dispose()
        self._template.close()


class _Run:
    """A seed under way.

    Args:
        engine: The dispatcher's; its line fails at times.
        others: Everybody else's.
        eye: To look at rows in no time.
    """

    def __init__(
        self,
        seed: int,
        engine: Engine,
        others: Engine,
        eye: sqlite3.Connection,
        directory: Path,
    ) -> None:
        self._world = World(seed)
        self._outcome = Outcome(seed, told=self._world.told)
        self._engine, self._others, self._eye = engine, others, eye
        self._checkpoints = directory / "checkpoints"
        self._blobs = DirectoryStore(self._checkpoints)
        chance = self._world.chance
        self._spec = random_spec(self._world)
        self._slots = chance.choice([1, 1, 2, 2, 3])
        self._faults = Faults(self._world)
        self._blows = chance.choice([0, 1, 3, 6])  # to the dispatcher itself
        numbers = range(self._spec.budget.trials)
        self._poison = frozenset(n for n in numbers if chance.random() < 0.05)
        self._cancels = chance.random() < 0.1
        self._frozen: dict[str, str] = {}
        self._stop, self._done = threading.Event(), False
        self._live: Dispatcher | None = None
        self._line = Line(self._world)
        self._executor: SimulatedExecutor | None = None

    def outcome(self) -> Outcome:
        with _simulated(self._world), self._line.of(self._engine):
            self._submit()
            try:
                while not self._ended() and self._outcome.lives < MOST_LIVES:
                    self._live_and_die()
            except Stuck as stuck:
                self._outcome.violations.append(f"stuck: {stuck}")
            except Exception as error:  # noqa: BLE001  # a dispatcher raises nothing else
                self._outcome.violations.append(f"crashed: {error!r}")
        self._check()
        return self._outcome

    def _submit(self) -> None:
        self._study_id = self._world.uuid4().hex
        with transaction(self._others) as session:
            submit_study(
                session, self._spec, None, study_id=self._study_id, now=self._world.utc_now()
            )

    def _ended(self) -> bool:
        self._outcome.status = self._standing()[0]
        return self._done

    def _live_and_die(self) -> None:
        """One dispatcher, from its start until it drains or something ends it."""
        world = self._world
        self._outcome.lives += 1
        world.now = max(world.now, self._line.away_until)  # before that, none would live for long
        self._stop.clear()
        world.forget()
        try:
            with transaction(self._engine) as session:
                epoch = acquire(session, f"life {self._outcome.lives}", lambda _: True)
            assert epoch is not None
            store = CheckpointStore(self._blobs)
            ledger = Ledger(self._engine, epoch, store, world.utc_now, self._stop)
            executor = SimulatedExecutor(world, self._faults, self._slots, self._poison)
            executor.blobs = self._blobs
            self._executor = executor
            self._live = Dispatcher(ledger, executor, lanes=4, segment_seconds=0.2, stop=self._stop)
            self._live._slots._ended = Ended(world)  # type: ignore[assignment]
            world.on_wait = self._between
            self._live.run()
            world.tell("drained")
        except (Killed, EpochLost, SlotsLost, OperationalError) as end:
            world.tell(f"the dispatcher ends: {type(end).__name__}")
        finally:
            world.on_wait = lambda: None
            if self._executor is not None:
                self._outcome.segments += len(self._executor.orders)
            self._live = self._executor = None

    def _between(self) -> None:
        """What may happen while the dispatcher waits; and what must hold then."""
        world, chance = self._world, self._world.chance
        if chance.random() < 0.05:
            self._look()
        status, open_trials = self._standing()
        if status in TERMINAL_STUDIES and not open_trials:
            on_disk = self._checkpoints.is_dir() and any(self._checkpoints.glob("[!.]*"))
            if not on_disk:
                self._done = True
                self._stop.set()
            return
        if status == StudyStatus.PAUSED and (not self._blows or chance.random() < 0.3):
            self._steer(RESUME)
        elif self._blows and chance.random() < 0.15:
            self._blows -= 1
            fault = chance.choice(
                [self._pause, self._kill, self._take_over, self._line.doom, self._drain]
            )
            world.tell(fault.__name__.strip("_"))
            fault()
        elif self._cancels and chance.random() < 0.02:
            self._steer(CANCEL)

    def _pause(self) -> None:
        self._steer(PAUSE)

    def _kill(self) -> None:
        raise Killed

    def _drain(self) -> None:
        self._stop.set()  # SIGTERM; the next dispatcher starts at its end

    def _take_over(self) -> None:
        """Another dispatcher becomes live while this one is frozen; then this one wakes up."""
        self._line.away_until = 0.0
        with transaction(self._others) as session:
            acquire(session, "another", lambda _: True)
        before = self._dump()
        assert self._live is not None
        try:
            while True:
                self._world.on_wait = lambda: None
                self._live._refresh()
                self._live._poll()
                self._live._slots.prepare()
                self._live._fill_slots()
                self._live._take_in(loop.POLL_SECONDS)
        except EpochLost:
            if self._dump() != before:
                self._outcome.violations.append("fence: rows changed under an old epoch")
            raise

    def _steer(self, move: Move) -> None:
        if self._line.is_away:
            return
        try:
            with transaction(self._others) as session:
                steer_study(session, self._study_id, move, now=self._world.utc_now())
            self._world.tell(f"the study is {move.verb}")
        except TransitionImpossible:
            pass

    def _look(self) -> None:
        """Rows that have ended never change; what is in memory is what rows say."""
        with reading(self._others) as session:
            now = dict(ended_rows(session))
        for key, digest in self._frozen.items():
            if now.get(key) != digest:
                self._outcome.violations.append(f"immutable: {key} has changed")
        self._frozen = now
        studies = {} if self._live is None else self._live._studies
        for study in studies.values():
            found = differences(self._others, study)
            self._outcome.violations += [f"live: {one}" for one in found]

    def _dump(self) -> list[Any]:
        tables = ("mo_studies", "mo_trials", "mo_attempts", "mo_reports", "mo_asks", "mo_events",
                  "mo_segments", "mo_spending", "mo_dispatcher")  # fmt: skip
        return [self._eye.execute(f"SELECT * FROM {name}").fetchall() for name in tables]  # noqa: S608

    def _standing(self) -> tuple[str, int]:
        """The status of the study, and how many trials are open."""
        [(status, open_trials)] = self._eye.execute(_STANDING).fetchall()
        return status, open_trials

    def _check(self) -> None:
        self._look()
        with reading(self._others) as session:
            rows = read_study(session, self._study_id)
            assert rows is not None
            found = [*of_study(session, rows, None), *finite.infinite(session),
                     *processes.stray(session), *files.strayed_weights(session),
                     *files.misplaced(session, self._blobs, at_rest=True)]  # fmt: skip
            study = session.get_one(Study, self._study_id)
            ends = {StudyStatus.COMPLETED, StudyStatus.CANCELLED, StudyStatus.FAILED}
            if study.status not in ends:
                self._outcome.violations.append(f"stuck: the study is {study.status}")
            if "an error of metaopt" in (study.error or ""):
                self._outcome.violations.append(f"healthy: {study.error}")
            self._outcome.status = study.status
            found += [one for trial in rows.trials for one in self._unjust(trial, rows)]
        self._outcome.violations += map(str, found)

    def _unjust(self, trial: Trial, rows: StudyRows) -> Iterator[str]:
        """Only what kills its worker fails, after a few attempts; faults take some from others."""
        struck, poison = self._faults.struck[trial.trial_id], trial.trial_number in self._poison
        if trial.status == TrialStatus.FAILED and not poison and struck < MOST_ATTEMPTS:
            yield f"innocent: {rows.where(trial)} failed, and was struck {struck} times"
        ends = [attempt.outcome for attempt in rows.attempts[trial.trial_id]]
        losses = ends.count(AttemptOutcome.LOST) + ends.count(AttemptOutcome.ERROR)
        # Beside what kills its worker, one is lost with it until they run apart; and whatever was
        # under way when a dispatcher died.
        others = TOGETHER * len(self._poison) + self._outcome.lives
        if losses > MOST_ATTEMPTS + others + struck:
            yield f"guilty: {rows.where(trial)} lost {losses} attempts, {struck} of them to faults"


_STANDING = """
    SELECT (SELECT status FROM mo_studies),
           (SELECT count(*) FROM mo_trials WHERE status IN ('queued', 'running'))
"""


def random_spec(world: World) -> StudySpec:
    """A tiny study of any kind: its budget, branches, sampler and pruning are chance."""
    chance = world.chance
    both = small_spec().model_dump(mode="json")["branches"]
    branches = both if chance.random() < 0.3 else [chance.choice(both)]
    trials = max(len(branches), chance.choice([1, 2, 2, 3, 4]))
    kinds = ["none", "median", "asha", "race", "successive_halving", "percentile"]
    budget: dict[str, Any] = {"trials": trials, "meta_iterations": 20}
    if chance.random() < 0.2:
        budget["total_meta_iterations"] = chance.randint(15, 20 * trials)
    seeds = chance.choice([1, 1, 1, 2])
    return small_spec(
        seed=chance.randrange(1000),
        branches=branches,
        search={"sampler": chance.choice(["random", "random", "random", "qmc", "tpe"])},
        pruning={"kind": chance.choice(kinds), "rungs": chance.choice([[10], [5], [5, 10]])},
        budget=budget,
        evaluation={"tasks": 3, "curve_steps": 1},
        verdict={"finalists": 1, "seeds": seeds, "tasks": 3, "compare": "none"},
    )


class _Time:
    """What modules of the dispatcher know of time."""

    def __init__(self, world: World) -> None:
        self.monotonic, self.sleep = world.monotonic, world.sleep


@contextmanager
def _simulated(world: World) -> Iterator[None]:
    """Let the dispatcher's modules have the world's clock and identifiers, and log nothing."""
    kept = loop.time, slots.time, steps.time, trials.uuid
    configuration = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    loop.time = slots.time = steps.time = _Time(world)  # type: ignore[assignment]
    trials.uuid = world  # type: ignore[assignment]
    try:
        yield
    finally:
        loop.time, slots.time, steps.time, trials.uuid = kept
        structlog.configure(**configuration)
