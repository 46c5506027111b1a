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
from sqlalchemy import Engine, text
from sqlalchemy.exc import OperationalError

from service.database_url import sqlite_url
from service.db.dispatcher import EpochLost, acquire
from service.db.engine import open_engine, reading, transaction
from service.db.schema import migrate
from service.db.states import TERMINAL_STUDIES, StudyStatus
from service.db.tables import Study
from service.dispatcher import loop, slots, trials
from service.dispatcher.checkpoints import CheckpointStore
from service.dispatcher.loop import Dispatcher
from service.dispatcher.slots import SlotsLost
from service.dispatcher.store import steps
from service.dispatcher.store.ledger import Ledger
from service.errors import TransitionImpossible
from service.invariants import files, finite, processes
from service.invariants.check import of_study
from service.invariants.rows import read_study
from service.invariants.snapshots import ended_rows
from service.operations.steer import CANCEL, PAUSE, RESUME, Move, steer_study
from service.operations.submit import submit_study
from service.wire.spec.study import StudySpec
from tests.chaos.simulation.executor import Faults, SimulatedExecutor
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
        self._engine = open_engine(url)

    def run(self, seed: int) -> Outcome:
        """Run one seed to its end and check what it left."""
        shutil.rmtree(self._directory / "checkpoints", ignore_errors=True)
        with self._engine.connect() as connection:
            database = connection.connection.driver_connection
            assert isinstance(database, sqlite3.Connection)
            self._template.backup(database)
        return _Run(seed, self._engine, self._directory).outcome()

    def close(self) -> None:
        """Give back the database."""
        self._engine.dispose()
        self._template.close()


class _Run:
    def __init__(self, seed: int, engine: Engine, directory: Path) -> None:
        self._world = World(seed)
        self._outcome = Outcome(seed, told=self._world.told)
        self._engine, self._checkpoints = engine, directory / "checkpoints"
        self._directory = directory
        chance = self._world.chance
        self._spec = random_spec(self._world)
        self._slots = chance.choice([1, 1, 2, 2, 3])
        self._faults = Faults(self._world)
        numbers = range(self._spec.budget.trials)
        self._poison = frozenset(n for n in numbers if chance.random() < 0.05)
        self._cancels = chance.random() < 0.1
        self._frozen: dict[str, str] = {}
        self._stop, self._done = threading.Event(), False
        self._live: Dispatcher | None = None
        self._at_commit: str | None = None
        self._away_until = 0.0
        self._executor: SimulatedExecutor | None = None

    def outcome(self) -> Outcome:
        with _simulated(self._world), _faulty_commits(self._engine, self._commit):
            self._submit()
            try:
                while not self._ended() and self._outcome.lives < MOST_LIVES:
                    self._live_and_die()
            except Stuck as stuck:
                self._outcome.violations.append(f"stuck: {stuck}")
        self._check()
        return self._outcome

    def _submit(self) -> None:
        self._study_id = self._world.uuid4().hex
        with transaction(self._engine) as session:
            submit_study(
                session, self._spec, None, study_id=self._study_id, now=self._world.utc_now()
            )

    def _ended(self) -> bool:
        with reading(self._engine) as session:
            self._outcome.status = session.get_one(Study, self._study_id).status
        return self._done

    def _live_and_die(self) -> None:
        """One dispatcher, from its start until it drains or something ends it."""
        world = self._world
        self._outcome.lives += 1
        world.now = max(world.now, self._away_until)  # before that, none would live for long
        self._stop.clear()
        world.forget()
        try:
            with transaction(self._engine) as session:
                epoch = acquire(session, f"life {self._outcome.lives}", lambda _: True)
            assert epoch is not None
            store = CheckpointStore(self._checkpoints)
            ledger = Ledger(self._engine, epoch, store, world.utc_now, self._stop)
            executor = SimulatedExecutor(world, self._faults, self._slots, self._poison)
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
        with self._engine.connect() as connection:
            status, open_trials = connection.exec_driver_sql(_STANDING).one()
        if status in TERMINAL_STUDIES and not open_trials:
            on_disk = self._checkpoints.is_dir() and any(self._checkpoints.glob("[!.]*"))
            if not on_disk:
                self._done = True
                self._stop.set()
            return
        if status == StudyStatus.PAUSED and (not self._faults.left or chance.random() < 0.3):
            self._steer(RESUME)
        elif self._faults.left and chance.random() < 0.08:
            self._faults.left -= 1
            fault = chance.choice(
                [self._pause, self._kill, self._take_over, self._doom, self._drain]
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
        self._away_until = 0.0
        with transaction(self._engine) as session:
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

    def _doom(self) -> None:
        """The next commit fails, or kills the dispatcher, before or after it is made."""
        fates = ["lost", "unknown", "outage", "outage after", "kill", "kill after"]
        self._at_commit = self._world.chance.choice(fates)

    def _commit(self, make: Any) -> None:
        fate, self._at_commit = self._at_commit, None
        if fate is not None:
            self._world.tell(f"commit: {fate}")
        if fate is not None and fate.startswith("outage"):
            self._away_until = self._world.now + self._world.chance.choice([1.0, 20.0, 60.0, 900.0])
        if fate in ("lost", "outage") or (fate is None and self._world.now < self._away_until):
            raise sqlite3.OperationalError("the connection was closed")
        if fate == "kill":
            raise Killed
        make()
        if fate in ("unknown", "outage after"):
            raise sqlite3.OperationalError("the connection was closed")
        if fate == "kill after":
            raise Killed

    def _steer(self, move: Move) -> None:
        if self._world.now < self._away_until:
            return
        kept, self._at_commit = self._at_commit, None  # users have connections of their own
        try:
            with transaction(self._engine) as session:
                steer_study(session, self._study_id, move, now=self._world.utc_now())
            self._world.tell(f"the study is {move.verb}")
        except TransitionImpossible:
            pass
        finally:
            self._at_commit = kept

    def _look(self) -> None:
        """Rows that have ended never change; what is in memory is what rows say."""
        with reading(self._engine) as session:
            now = dict(ended_rows(session))
        for key, digest in self._frozen.items():
            if now.get(key) != digest:
                self._outcome.violations.append(f"immutable: {key} has changed")
        self._frozen = now
        studies = {} if self._live is None else self._live._studies
        for study in studies.values():
            found = differences(self._engine, study)
            self._outcome.violations += [f"live: {one}" for one in found]

    def _dump(self) -> list[Any]:
        tables = ("mo_studies", "mo_trials", "mo_attempts", "mo_reports", "mo_asks", "mo_events",
                  "mo_segments", "mo_spending", "mo_dispatcher")  # fmt: skip
        with self._engine.connect() as connection:
            return [connection.execute(text(f"SELECT * FROM {name}")).all() for name in tables]  # noqa: S608

    def _check(self) -> None:
        self._look()
        with reading(self._engine) as session:
            rows = read_study(session, self._study_id)
            assert rows is not None
            found = [*of_study(session, rows, None), *finite.infinite(session),
                     *processes.stray(session), *files.strayed_weights(session),
                     *files.misplaced(session, self._checkpoints, at_rest=True)]  # fmt: skip
            study = session.get_one(Study, self._study_id)
            ends = {StudyStatus.COMPLETED, StudyStatus.CANCELLED, StudyStatus.FAILED}
            if study.status not in ends:
                self._outcome.violations.append(f"stuck: the study is {study.status}")
            if "an error of metaopt" in (study.error or ""):
                self._outcome.violations.append(f"healthy: {study.error}")
            self._outcome.status = study.status
        self._outcome.violations += map(str, found)


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


@contextmanager
def _faulty_commits(engine: Engine, commit: Any) -> Iterator[None]:
    make = engine.dialect.do_commit
    engine.dialect.do_commit = lambda connection: commit(lambda: make(connection))  # type: ignore[method-assign]
    try:
        yield
    finally:
        engine.dialect.do_commit = make  # type: ignore[method-assign]
