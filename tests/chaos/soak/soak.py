"""The soak: a service at work for long, and whether it takes more and more.

API, dispatcher, workers with the toy objective, mirror; studies are submitted steadily, readers
follow their events, and what is kept of ended studies is kept for `KEEP_SECONDS` alone.  Samples
are judged by `tests.chaos.soak.trend`: memory, descriptors and threads of each process, connections
and directories must be flat.  The database may grow by what its studies found, as much for each in
the end as before, and nothing may lie in it that should have gone.  At the end all is checked.
"""

import threading
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, func, select

from service.db import retention
from service.db.engine import reading
from service.db.optuna.storage import open_storage
from service.db.states import TERMINAL_STUDIES
from service.db.tables import Study
from service.invariants.acknowledged import read_log
from service.invariants.check import Seen, check
from service.invariants.processes import orphans
from tests.chaos.soak import meter
from tests.chaos.soak.readers import Readers
from tests.chaos.soak.trend import WARM_UP, Sample, trend
from tests.chaos.storm.client import Client
from tests.chaos.storm.service import Service

PATH = Path(__file__).parent / "path"
AHEAD = 3  # studies that wait or run
READERS = 4
TRIALS = 5
SPECS = 15  # that differ: API and mirror keep hundreds that they have read, and fill up for long
KEEP_SECONDS = 20.0
OVERDUE_SECONDS = 40.0  # after which what may go must be gone: a pass each two, and a busy machine
MORE_A_STUDY = 1.5  # times what a study took of the database before
DAY = 86400.0
END_SECONDS = 180.0
LEAST_STUDIES = 10


@dataclass
class Outcome:
    """What came of a soak."""

    database: str
    minutes: float
    seconds: float = 0.0
    studies: int = 0
    trials: int = 0
    reports: int = 0
    events_read: int = 0
    database_bytes_a_study: list[float] = field(default_factory=list)
    trends: list[dict[str, Any]] = field(default_factory=list)
    violations: list[str] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """Return plain data."""
        return {**asdict(self), "passed": not self.violations}


def soak(
    engine: Engine, directory: Path, spec: Callable[[int], dict[str, Any]], minutes: float
) -> Outcome:
    """Run a service for so long and judge it.

    Args:
        engine: A database with all tables, and no study.
        directory: Empty.
        spec: The spec of the study of a number.
    """
    settings = {
        f"METAOPT_KEEP_{what}_DAYS": str(KEEP_SECONDS / DAY)
        for what in ("EVENTS", "SEGMENTS", "DELIVERIES", "RUNS")
    }
    url = engine.url.render_as_string(hide_password=False)
    service = Service(
        url,
        directory / "data",
        dispatcher="tests.chaos.toy.dispatcher",
        standby=False,
        first=[PATH],
        **settings,
    )
    return _Soak(engine, directory, service, spec, minutes).run()


class _Soak:
    def __init__(
        self, engine: Engine, directory: Path, service: Service,
        spec: Callable[[int], dict[str, Any]], minutes: float,
    ) -> None:  # fmt: skip
        self._engine, self._service, self._minutes = engine, service, minutes
        self._data = directory / "data"
        url = f"http://127.0.0.1:{service.port}"
        self._log = directory / "client.jsonl"
        self._ended, self._submits, self._pause = 0, True, threading.Event()
        self._client = Client(url, self._log, spec, self._wanted)
        self._readers = Readers(url, lambda: self._client.acknowledged, READERS)
        self._samples: dict[str, list[Sample]] = defaultdict(list)
        self._sizes: list[tuple[int, int]] = []  # studies that had ended, bytes of the database
        self._outcome = Outcome(engine.dialect.name, minutes)

    def run(self) -> Outcome:
        """Work, sample, judge."""
        begun = time.monotonic()
        try:
            self._service.keep_up()
            self._client.start()
            self._readers.start()
            self._work(begun)
            self._end()
            self._judge()
        finally:
            self._readers.stop()
            self._client.stop()
            self._service.close()
        self._outcome.seconds = round(time.monotonic() - begun, 1)
        return self._outcome

    def _wanted(self) -> int:
        return self._ended + AHEAD if self._submits else 0

    def _work(self, begun: float) -> None:
        seconds = 60.0 * self._minutes
        every, next_at = max(1.0, seconds / 180), 0.0
        while (at := time.monotonic() - begun) < seconds:
            if again := self._service.keep_up():
                self._wrong(f"ended by themselves: {again}")
            self._ended = self._count_ended()
            if at >= next_at and self._ended:
                self._sample(at)
                next_at = at + every
            self._pause.wait(0.3)

    def _sample(self, at: float) -> None:
        pids = {
            f"{kind} {number}": pid
            for kind in ("api", "dispatcher", "worker", "mirror")
            for number, pid in enumerate(self._service.pids(kind), 1)
        }
        found = meter.of_directories(self._data)
        found |= meter.of_database(self._engine, list(pids.values()))
        for name, pid in pids.items():
            found |= meter.of_process(name, pid)
        for name, value in found.items():
            self._samples[name].append(Sample(at, value))
        self._sizes.append((self._ended, meter.database_bytes(self._engine)))
        overdue = datetime.now(UTC) - timedelta(seconds=KEEP_SECONDS + OVERDUE_SECONDS)
        with reading(self._engine) as session:
            left = [
                retention.count_events(session, overdue),
                retention.count_segments(session, overdue),
            ]
        if any(left):
            self._wrong(f"at {at:.0f} s: {left} events and segments should have gone")

    def _end(self) -> None:
        """No more studies: those there are end, and the mirror catches up."""
        self._submits = False
        deadline = time.monotonic() + END_SECONDS
        while not self._at_rest():
            if time.monotonic() > deadline:
                self._wrong("stuck: studies are open, or the mirror is behind")
                return
            self._pause.wait(0.5)

    def _at_rest(self) -> bool:
        acknowledged = set(self._client.acknowledged)
        if self._count_ended() < len(acknowledged):
            return False
        storage = open_storage(self._engine.url)
        try:
            copies = [one for one in storage.get_all_studies() if "study_id" in one.user_attrs]
            done = {c.user_attrs["study_id"] for c in copies if "mirrored" in c.user_attrs}
            return done >= acknowledged and all("mirrored" in c.user_attrs for c in copies)
        finally:
            storage.remove_session()
            storage.engine.dispose()

    def _judge(self) -> None:
        outcome = self._outcome
        verdict = check(self._engine, Seen(self._data, read_log(self._log), at_rest=True))
        outcome.studies, outcome.trials = verdict.studies, verdict.trials
        outcome.reports, outcome.events_read = verdict.reports, self._readers.read
        for one in verdict.violations:
            self._wrong(str(one))
        for why in (*self._client.refused, *self._readers.failed):
            self._wrong(f"a client was told: {why}")
        longest = max(map(len, self._samples.values()), default=0)
        for name, samples in sorted(self._samples.items()):
            if len(samples) < longest / 2:
                continue  # of a worker that came later, as after a fault
            found = trend(name, samples)
            outcome.trends.append(found.to_json())
            if not found.flat:
                self._wrong(
                    f"{name} grows: by {found.growth:.0f} in the window, may by "
                    f"{found.allowed:.0f} (median {found.median:.0f})"
                )
        self._judge_database()
        if verdict.studies < LEAST_STUDIES:
            self._wrong(f"only {verdict.studies} studies: nothing was soaked")
        codes = self._service.drain()
        if any(code != 0 for code in codes.values()):
            self._wrong(f"drain: exit codes {codes}")
        for one in orphans(self._data):
            self._wrong(f"after the drain, {one}")

    def _judge_database(self) -> None:
        """What a study took, in the two halves of the window."""
        window = self._sizes[int(len(self._sizes) * WARM_UP) :]
        if len(window) < 3:
            return
        marks = window[0], window[len(window) // 2], window[-1]
        halves = [
            (after[1] - before[1]) / max(1, after[0] - before[0])
            for before, after in zip(marks, marks[1:], strict=False)
        ]
        self._outcome.database_bytes_a_study = [round(each) for each in halves]
        if halves[1] > MORE_A_STUDY * max(halves[0], 1.0):
            self._wrong(f"a study took {halves[0]:.0f} bytes of the database, then {halves[1]:.0f}")

    def _count_ended(self) -> int:
        query = select(func.count()).select_from(Study).where(Study.status.in_(TERMINAL_STUDIES))
        with reading(self._engine) as session:
            return session.scalar(query) or 0

    def _wrong(self, why: str) -> None:
        self._outcome.violations.append(why)
