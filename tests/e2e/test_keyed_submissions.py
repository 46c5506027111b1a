"""An API that is killed while studies are submitted under keys: exactly one study for each."""

import random
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx2
import pytest
from sqlalchemy import Engine, func, select

from service.cli.commands.demo import free_port
from service.db.engine import reading
from service.db.tables import IdempotencyKey, Study
from tests.fakes.servers import Answer, ApiProcess
from tests.fakes.specs import SPEC
from tests.waiting import wait_until

STUDIES = "/api/v1/studies"
CLIENTS = 8

pytestmark = pytest.mark.slow


class Killed:
    """An API that is killed again and again, and started again at the same place."""

    def __init__(self, url: str, directory: Path) -> None:
        self._url, self._directory, self._port = url, directory, free_port()
        self.api = self._start()

    def kill(self) -> None:
        """Kill it in the middle of what it does, and start another."""
        self.api.kill()
        self.api = self._start()

    def submit(self, key: str) -> Answer:
        """Submit until there is an answer, as a client with retries does."""
        found: list[Answer] = []

        def is_answered() -> bool:
            try:
                answer = self.api.send(
                    "POST", STUDIES, json={**SPEC, "name": key}, headers={"Idempotency-Key": key}
                )
            except httpx2.TransportError:
                return False
            assert answer.status in (202, 503), answer
            found.append(answer)
            return answer.status == 202

        wait_until(is_answered, 30, what=f"an answer to {key}")
        return found[-1]

    def _start(self) -> ApiProcess:
        return ApiProcess(self._url, self._directory, self._port)


@pytest.mark.parametrize(
    ("keys", "kills"), [(40, 2), pytest.param(1000, 50, marks=pytest.mark.night)]
)
def test_each_key_makes_one_study_however_often_the_api_is_killed(
    engine: Engine, tmp_path: Path, keys: int, kills: int
) -> None:
    url = engine.url.render_as_string(hide_password=False)
    killed = Killed(url, tmp_path / "data")
    answered: list[tuple[str, Answer]] = []
    chance = random.Random(17)
    after = sorted(chance.sample(range(keys // 10, keys - keys // 10), kills))
    due = threading.Event()

    def submit(number: int) -> None:
        for _ in range(2):  # each key is used twice
            answered.append((f"key {number}", killed.submit(f"key {number}")))
            if after and len(answered) >= 2 * after[0]:
                due.set()

    with ThreadPoolExecutor(CLIENTS) as clients:
        asked = [clients.submit(submit, number) for number in range(keys)]
        while after:
            assert due.wait(300)
            due.clear()
            after.pop(0)
            killed.kill()
        for one in asked:
            one.result()
    killed.api.kill()
    bodies = {key: [a.body for k, a in answered if k == key] for key, _ in answered}
    assert all(len(same) == 2 and same[0] == same[1] for same in bodies.values())
    with reading(engine) as session:
        names = session.scalars(select(Study.name)).all()
        assert session.scalar(select(func.count()).select_from(IdempotencyKey)) == keys
    assert sorted(names) == sorted(bodies) and len(names) == keys
