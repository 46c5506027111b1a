"""Outages: what the service needs is away for a while, again and again; then the checker.

    progress ──▶ fault begins ──held──▶ ends ──▶ the API answers ──▶ progress ──▶ the next one

No process of the service is touched, and none may end by itself.
"""

import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, func, select
from sqlalchemy.exc import SQLAlchemyError

from service.db.engine import reading
from service.db.states import TERMINAL_STUDIES
from service.db.tables import Report, Study, Trial
from tests.chaos.outages.prober import ALIVE, READ, Prober
from tests.chaos.storm.service import Service
from tests.chaos.storm.storm import STEP_SECONDS, Plot, Storm

AHEAD = 2  # studies that wait or run
PATIENCE = 4.0  # how much longer than promised it may take beside whatever else runs here


def _nothing() -> None:
    """A part of a fault that does nothing."""


@dataclass(frozen=True)
class Fault:
    """Something that is away for a while.

    Args:
        name: For the log.
        begin, end: Bring it about, and take it back.
        seconds: For how long.
        keep: Called meanwhile, again and again.
        before: What has to be ready first.
    """

    name: str
    begin: Callable[[], object] = _nothing
    end: Callable[[], object] = _nothing
    seconds: float = 0.0
    keep: Callable[[], object] = _nothing
    before: Callable[[], object] = _nothing


@dataclass(frozen=True)
class Promise:
    """What must hold, in seconds where this is all that runs.

    Args:
        answer: Of the API, whatever is away.
        alive: Of its `/healthz`.
        api_back, work_back: After a fault, until a list is had, and until a report is.
        statuses: Which the API may answer with.
    """

    answer: float = 5.0
    alive: float = 1.0
    api_back: float = 5.0
    work_back: float = 10.0
    statuses: frozenset[int] = frozenset({200, 503})


@dataclass
class Figures:
    """What was measured, in seconds: the longest of each."""

    faults: int = 0
    answer: float = 0.0
    alive: float = 0.0
    api_back: float = 0.0
    work_back: float = 0.0
    work_back_median: float = 0.0
    statuses: list[int] = field(default_factory=list)


class Outages(Storm):
    """Runs studies of the toy through faults of what is around it.

    Args:
        engine: Of the database, past whatever breaks.
        url: Of the same, as the service has it.
        directory: Empty.
        faults: In turn.
        settings: Of the service, by name.
    """

    def __init__(
        self, engine: Engine, url: str, directory: Path, spec: Callable[[int], dict[str, Any]],
        faults: Iterable[Fault], promise: Promise, *, patience: float = PATIENCE, seed: int = 0,
        **settings: str,
    ) -> None:  # fmt: skip
        plot = Plot(seed=seed, studies=0, trials=0, kills=0, every_seconds=1.0)
        module = "tests.chaos.toy.dispatcher"
        service = Service(url, directory / "data", dispatcher=module, standby=False, **settings)
        super().__init__(plot, engine, directory, service, spec)
        self._faults, self._promise, self._patience = faults, promise, patience
        self._prober = Prober(f"http://127.0.0.1:{service.port}")
        self._backs: list[float] = []
        self.figures = Figures()
        self.counted: Callable[[], dict[str, int]] = dict

    def _wanted(self) -> int:
        known = len(self._client.acknowledged)
        return self._ended + AHEAD if self._raging else known

    def _rage(self, begun: float) -> None:
        self._wait(self._prober.is_up, 60.0, "up: the API never came")
        self._prober.start()
        try:
            for fault in self._faults:
                self._pass(fault)
                if self._report.violations:
                    return
        finally:
            self._prober.stop()
            self._judge_answers()
        self._raging = False

    def _pass(self, fault: Fault) -> None:
        """Let one fault pass, and see how soon all is as before."""
        fault.before()
        name, promise, before = fault.name, self._promise, self._reports()
        if not self._wait(lambda: self._reports() > before, 60.0, f"before {name}: no progress"):
            return
        self._snapshot()
        begun = time.monotonic()
        fault.begin()
        try:
            while time.monotonic() < begun + fault.seconds:
                fault.keep()
                self._keep_up()
                self._pause.wait(STEP_SECONDS)
        finally:
            fault.end()
        ended, before = time.monotonic(), self._reports()
        most = self._patience * promise.work_back
        self._wait(lambda: self._reports() > before, most, f"after {name}: no progress")
        self._backs.append(time.monotonic() - ended)
        most = self._patience * promise.api_back
        self._wait(lambda: self._prober.back_at(ended) is not None, most, f"after {name}: no API")
        back = (self._prober.back_at(ended) or ended) - ended
        self.figures.api_back = max(self.figures.api_back, round(back, 2))
        self.figures.faults += 1
        self._report.faults.append(
            {"at": round(begun, 2), "what": name, "api_back": round(back, 2),
             "work_back": round(self._backs[-1], 2)}
        )  # fmt: skip

    def _wait(self, true: Callable[[], bool], seconds: float, otherwise: str) -> bool:
        deadline = time.monotonic() + seconds
        while not true():
            if self._client.refused:
                self._wrong(f"refused: {self._client.refused}")
                return False
            if time.monotonic() > deadline:
                self._wrong(f"{otherwise} within {seconds:.0f} s")
                return False
            self._keep_up()
            self._pause.wait(STEP_SECONDS)
        return True

    def _keep_up(self) -> None:
        for name in self._service.keep_up():
            self._wrong(f"ended: {name} was not touched, and ended by itself")
        with suppress(SQLAlchemyError):  # it may be away for us, too
            self._ended = self._count(Study, Study.status.in_(TERMINAL_STUDIES))

    def _reports(self) -> int:
        with suppress(SQLAlchemyError), reading(self._engine) as session:
            self._known = int(session.scalar(select(func.count()).select_from(Report)) or 0)
        return self._known

    _known = 0

    def _judge_answers(self) -> None:
        figures, promise = self.figures, self._promise
        figures.answer = round(self._prober.slowest(READ), 2)
        figures.alive = round(self._prober.slowest(ALIVE), 2)
        figures.statuses = sorted(self._prober.statuses())
        if self._backs:
            figures.work_back = round(max(self._backs), 2)
            figures.work_back_median = round(sorted(self._backs)[len(self._backs) // 2], 2)
        for what, measured, most in (
            ("an answer took", figures.answer, promise.answer),
            ("/healthz took", figures.alive, promise.alive),
        ):
            if measured > self._patience * most:
                self._wrong(f"slow: {what} {measured} s")
        if odd := set(figures.statuses) - promise.statuses:
            self._wrong(f"answers: {odd}, expected were {sorted(promise.statuses)}")

    def _judge(self) -> None:
        super()._judge()
        with reading(self._engine) as session:
            charged = session.scalar(select(func.count()).where(Trial.attempts > 0))
        if charged:
            self._wrong(f"charged: {charged} trials with attempts")

    def to_json(self) -> dict[str, Any]:
        """Return what came of it, as plain data."""
        figures = {**asdict(self.figures), **self.counted()}
        return {**self._report.to_json(), "figures": figures}
