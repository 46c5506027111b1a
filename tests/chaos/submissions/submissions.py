"""Submissions under keys while the API is killed again and again: one study for each key.

Every key is used by two clients at the same moment, then with another body, and once more after
its study has changed.  Clients repeat what got no answer, as `service.client` does.
"""

import queue
import random
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import httpx2
from sqlalchemy import Engine, func, select

from service.cli.commands.demo import free_port
from service.db.engine import reading
from service.db.tables import IdempotencyKey, Study
from service.invariants.acknowledged import Acknowledged
from service.invariants.check import Seen, check
from tests.fakes.servers import ApiProcess
from tests.fakes.specs import SPEC

STUDIES = "/api/v1/studies"
PATIENCE_SECONDS = 300.0
AGAIN_SECONDS = 0.2
CHANGED = 10  # of so many studies one is cancelled before its answer is asked for again
UNANSWERED = "no answer"


class Plot(NamedTuple):
    """What is done.

    Args:
        seed: Of the moments of the kills.
        keys: How many are used.
        kill_seconds: The API is killed so long after it is up, from the one to the other.
        clients: At the same time.
    """

    seed: int
    keys: int
    kill_seconds: tuple[float, float] = (0.5, 3.0)
    clients: int = 8


@dataclass
class Outcome:
    """What came of it.

    Args:
        answers: How many requests had each status, and how many had none.
    """

    seed: int
    database: str
    keys: int
    studies: int = 0
    kills: int = 0
    seconds: float = 0.0
    answers: dict[str, int] = field(default_factory=dict)
    violations: list[str] = field(default_factory=list)

    @property
    def passed(self) -> bool:
        return not self.violations

    def to_json(self) -> dict[str, Any]:
        """Return plain data."""
        return {**asdict(self), "passed": self.passed}


def submit_under_kills(plot: Plot, engine: Engine, directory: Path) -> Outcome:
    """Use every key while the API is killed, and look at what that left.

    Args:
        engine: A database with all tables and no studies.
        directory: For the API.
    """
    outcome = Outcome(plot.seed, engine.dialect.name, plot.keys)
    begin = time.monotonic()
    url = engine.url.render_as_string(hide_password=False)
    port, stop, started = free_port(), threading.Event(), threading.Event()
    clients = Clients(f"http://127.0.0.1:{port}", plot.keys)

    def kill_and_start() -> None:
        chance = random.Random(plot.seed)
        while not stop.is_set():
            api = ApiProcess(url, directory, port)
            started.set()
            if not stop.wait(chance.uniform(*plot.kill_seconds)):
                outcome.kills += 1
            api.kill()

    with ThreadPoolExecutor(plot.clients + 1) as threads:
        killer = threads.submit(kill_and_start)
        try:
            while not started.wait(0.1) and not killer.done():
                pass
            working = [threads.submit(clients.work) for _ in range(plot.clients)]
            for one in working:
                one.result()
        finally:
            stop.set()
        killer.result()
    outcome.answers = dict(sorted(clients.answers.items()))
    outcome.violations = clients.violations + list(_left(engine, clients.told))
    with reading(engine) as session:
        outcome.studies = session.scalar(select(func.count()).select_from(Study)) or 0
    outcome.seconds = round(time.monotonic() - begin, 1)
    return outcome


class Clients:
    """All clients: what they have to do, and what they were told."""

    def __init__(self, url: str, keys: int) -> None:
        self._url = url
        self._todo: queue.SimpleQueue[str] = queue.SimpleQueue()
        for number in range(keys):
            for _ in range(2):  # two clients take them at about the same moment
                self._todo.put(f"key {number}")
        self._lock = threading.Lock()
        self._first: dict[str, bytes] = {}
        self.told: dict[str, str] = {}
        self.answers: Counter[str] = Counter()
        self.violations: list[str] = []

    def work(self) -> None:
        """Use keys until none is left."""
        with httpx2.Client(base_url=self._url, timeout=60, verify=False) as http:
            while True:
                try:
                    key = self._todo.get_nowait()
                except queue.Empty:
                    return
                self._use(http, key)

    def _use(self, http: httpx2.Client, key: str) -> None:
        body = {**SPEC, "name": key}
        answer = self._ask(http, STUDIES, key, body)
        with self._lock:
            is_second = key in self._first
        if not self._is_same(key, answer) or not is_second:
            return
        refused = self._ask(http, STUDIES, key, {**body, "seed": 2})
        if refused.status_code != 422 or b"idempotency-conflict" not in refused.content:
            self._tell(f"{key} with another body: {refused.status_code} {refused.text[:300]}")
        if int(key.split()[1]) % CHANGED == 0:
            self._ask(http, f"{STUDIES}/{answer.json()['study_id']}:cancel", None, None)
            self._is_same(key, self._ask(http, STUDIES, key, body))

    def _is_same(self, key: str, answer: httpx2.Response) -> bool:
        if answer.status_code != 202:
            self._tell(f"{key}: {answer.status_code} {answer.text[:300]}")
            return False
        with self._lock:
            first = self._first.setdefault(key, answer.content)
            self.told[key] = answer.json()["study_id"]
        if answer.content != first:
            self._tell(f"{key} had two answers: {first!r} and {answer.content!r}")
            return False
        return True

    def _ask(
        self, http: httpx2.Client, path: str, key: str | None, body: dict[str, Any] | None
    ) -> httpx2.Response:
        """Ask until there is an answer that is no wish to be asked again."""
        headers = {"Idempotency-Key": key} if key else {}
        deadline = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < deadline:
            try:
                answer = http.post(path, json=body, headers=headers)
            except httpx2.TransportError:
                self._count(UNANSWERED)
            else:
                self._count(str(answer.status_code))
                if answer.status_code not in (409, 503) or key is None:
                    return answer
            threading.Event().wait(AGAIN_SECONDS)
        raise TimeoutError(f"no answer to {path} within {PATIENCE_SECONDS:g} s")

    def _count(self, what: str) -> None:
        with self._lock:
            self.answers[what] += 1

    def _tell(self, what: str) -> None:
        with self._lock:
            self.violations.append(what)


def _left(engine: Engine, told: dict[str, str]) -> Iterator[str]:
    """What is wrong with what the submissions left."""
    with reading(engine) as session:
        names = Counter(session.scalars(select(Study.name)))
        kept = session.scalar(select(func.count()).select_from(IdempotencyKey))
    if names != Counter(told.keys()):
        yield f"{len(told)} keys, {names.total()} studies of {len(names)} names"
    if kept != len(told):
        yield f"{len(told)} keys, {kept} of them kept"
    acknowledged = [Acknowledged(study_id, key) for key, study_id in told.items()]
    yield from map(str, check(engine, Seen(acknowledged=acknowledged)).violations)
