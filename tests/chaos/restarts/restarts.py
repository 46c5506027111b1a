"""Restarts: PostgreSQL ends as in a crash, again and again, under a service at work.

    studies, a client that submits more, probes ──▶ pg_ctl -m immediate stop … start ──▶ check

Nothing else fails.  So the dispatcher stays live with its workers and their lanes, and every answer
of the API is a success or "try again".
"""

import random
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, func, select

from service.db.dispatcher import Sighting, look
from service.db.engine import reading
from service.db.states import AttemptOutcome
from service.db.tables import Attempt
from tests.chaos.restarts.probe import Probe, Told
from tests.chaos.storm.service import Service
from tests.chaos.storm.storm import STEP_SECONDS, Outcome, Plot, Storm, spec_of
from tests.fakes.clusters import Cluster

HEALTHZ = "/healthz"
PATHS = (HEALTHZ, "/api/v1/studies", "/metrics")


@dataclass(frozen=True)
class Restarts:
    """What a run is.

    Args:
        seed: Of the moments.
        restarts: How many.
        every_seconds: On average, between two of them.
        down_seconds: Longest time for which the server stays away, beside what it needs.
        soon_seconds: Within which each answer must come.
        back_seconds: Within which API and dispatcher use the server again.
        rest_seconds: For how long probes ask before the first restart: for comparison.
        at_once_seconds: Within which 99 of 100 answers of /healthz must come; or within twice what
            they took at rest, where the machine has so much else to do that it is more.
    """

    seed: int
    restarts: int
    every_seconds: float
    down_seconds: float = 4.0
    soon_seconds: float = 5.0
    back_seconds: float = 5.0
    rest_seconds: float = 10.0
    at_once_seconds: float = 0.1
    studies: int = 3
    trials: int = 20


def restart_again_and_again(
    plan: Restarts, postgres: Cluster, engine: Engine, directory: Path
) -> Outcome:
    """Run it to its end and check what it left.

    Args:
        engine: On the server, with all tables and no study.
        directory: Empty.
    """
    url = engine.url.render_as_string(hide_password=False)
    service = Service(
        url, directory / "data", dispatcher="tests.chaos.toy.dispatcher", standby=False
    )

    def spec(number: int) -> dict[str, Any]:
        return spec_of(number, plan.trials, plan.seed)

    return _Run(plan, postgres, engine, directory, service, spec).run()


class _Run(Storm):
    def __init__(
        self, plan: Restarts, postgres: Cluster, engine: Engine, directory: Path,
        service: Service, spec: Callable[[int], dict[str, Any]],
    ) -> None:  # fmt: skip
        plot = Plot(plan.seed, plan.studies, plan.trials, plan.restarts, plan.every_seconds)
        super().__init__(plot, engine, directory, service, spec)
        self._plan, self._postgres = plan, postgres
        url = f"http://127.0.0.1:{service.port}"
        self._probes = {path: Probe(url, path) for path in PATHS}
        self._backs: dict[str, list[float]] = {"api": [], "dispatcher": []}
        self._begun_at = 0.0

    def _killed(self) -> int:
        return self._counted["restart"]

    def _rage(self, begun: float) -> None:
        chance = random.Random(self._plan.seed)
        self._until(self._is_up, 120.0, "stuck: the service does not start")
        for probe in self._probes.values():
            probe.start()
        self._keep_up_for(self._plan.rest_seconds)
        self._begun_at = time.monotonic()
        for _ in range(self._plan.restarts):
            self._keep_up_for(self._plan.every_seconds * (0.3 + 1.4 * chance.random()))
            self._snapshot()
            self._restart(chance.random() * self._plan.down_seconds, begun)
        self._until(self._has_ended, self._plot.calm_seconds, "stuck: studies do not end")
        if self._client.refused:
            self._wrong(f"refused: {self._client.refused}")
        self._raging = False

    def _has_ended(self) -> bool:
        self._keep_up()
        return self._ended >= self._plan.studies or bool(self._client.refused)

    def _keep_up_for(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            self._keep_up()
            self._pause.wait(STEP_SECONDS)

    def _is_up(self) -> bool:
        self._keep_up()
        return self._seen() is not None and bool(self._client.acknowledged)

    def _restart(self, down_seconds: float, begun: float) -> None:
        before = self._seen()
        at = time.monotonic()
        self._postgres.stop()
        self._pause.wait(down_seconds)
        self._postgres.start()
        back_at = time.monotonic()
        self._counted["restart"] += 1
        self._report.faults.append(
            {"at": round(at - begun, 2), "what": "restart", "away": round(back_at - at, 2)}
        )
        studies = self._probes[PATHS[1]]
        self._until(lambda: self._seen() != before, 60.0, "stuck: the dispatcher is not back")
        self._backs["dispatcher"].append(time.monotonic() - back_at)
        self._until(lambda: studies.first_after(back_at, 200) is not None, 60.0, "stuck: the API")
        if (told := studies.first_after(back_at, 200)) is not None:
            self._backs["api"].append(told.at + told.seconds - back_at)

    def _seen(self) -> Sighting | None:
        with reading(self._engine) as session:
            return look(session)

    def _judge(self) -> None:
        for probe in self._probes.values():
            probe.stop()
        plan, told = self._plan, {path: probe.told for path, probe in self._probes.items()}
        for one in (one for path in PATHS for one in told[path]):
            if one.wrong is not None:
                self._wrong(f"answer: {one.path}: {one.wrong}")
            if one.seconds > plan.soon_seconds:
                self._wrong(f"answer: {one.path} took {one.seconds:.2f} s")
        at_rest = {path: [one for one in told[path] if one.at < self._begun_at] for path in PATHS}
        then = {path: [one for one in told[path] if one.at >= self._begun_at] for path in PATHS}
        figures = {path: _figures(then[path]) for path in PATHS}
        rest = _figures(at_rest[HEALTHZ])
        if figures[HEALTHZ]["p99_seconds"] > max(plan.at_once_seconds, 2 * rest["p99_seconds"]):
            self._wrong(f"answer: {HEALTHZ}: {figures[HEALTHZ]}, and at rest {rest}")
        for who, seconds in self._backs.items():
            if max(seconds, default=0.0) > plan.back_seconds:
                self._wrong(f"back: {who} needed {max(seconds):.2f} s")
        backs = {f"{who} back": _spread(seconds) for who, seconds in self._backs.items()}
        self._report.figures = {**figures, f"{HEALTHZ} at rest": rest, **backs}
        for why in self._handed_over():
            self._wrong(why)
        super()._judge()

    def _handed_over(self) -> list[str]:
        """Nothing but the database has failed: the dispatcher and its workers are the same."""
        found, seen = [], self._seen()
        if seen is None or seen.epoch != 1:
            found.append(f"handed over: the dispatcher's row says {seen}")
        lost = select(func.count()).where(Attempt.outcome == AttemptOutcome.LOST)
        with reading(self._engine) as session:
            if number := session.scalar(lost):
                found.append(f"handed over: {number} attempts were lost")
        return found


def _figures(told: list[Told]) -> dict[str, Any]:
    statuses = [str(one.status) for one in told]
    return {
        "answers": {status: statuses.count(status) for status in sorted(set(statuses))},
        **_spread([one.seconds for one in told]),
    }


def _spread(seconds: list[float]) -> dict[str, float]:
    if len(seconds) < 2:
        seconds = [*seconds, *seconds] or [0.0, 0.0]
    parts = statistics.quantiles(seconds, n=100, method="inclusive")
    found = {"median_seconds": parts[49], "p99_seconds": parts[98], "most_seconds": max(seconds)}
    return {name: round(value, 3) for name, value in found.items()}
