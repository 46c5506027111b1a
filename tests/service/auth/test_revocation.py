"""A revoked key is dead within a second, whenever it is revoked: the real parts by a virtual clock.

table read ── 0.5 s ── table read          so an answer under way ends after 0.75 s at most, and
look ─ 0.25 s ─ look ─ 0.25 s ─ look       whoever asks anew is refused after 0.5 s
"""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import Engine
from starlette.types import Receive, Scope, Send

from service.api.problems import refuse
from service.auth.failures import Failures
from service.auth.gate import Gate
from service.auth.key import key_sha256, new_key
from service.auth.keys import KeyRing
from service.auth.sessions import COOKIE, Sessions
from service.db.access import api_keys
from service.db.engine import transaction
from service.operations.access.api_keys import revoke_key

PROMISED_SECONDS = 1.0
STEP_SECONDS = 0.05
PHASES = [1.0 + STEP_SECONDS * step for step in range(16)]  # where both clocks can stand


class Clock:
    """Time that passes only while somebody sleeps, and what happens in it."""

    def __init__(self) -> None:
        self.time = 0.0
        self.plan: list[tuple[float, Callable[[], object]]] = []

    def monotonic(self) -> float:
        return self.time

    async def sleep(self, seconds: float) -> None:
        end = self.time + seconds
        while self.plan and self.plan[0][0] < end:
            self.time, happens = self.plan.pop(0)
            happens()
        self.time = end
        await asyncio.sleep(0)


def now() -> datetime:
    return datetime.now(UTC)


async def silent(scope: Scope, receive: Receive, send: Send) -> None:
    """A stream that has nothing to say."""
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await asyncio.Event().wait()


def make_key(engine: Engine, name: str) -> str:
    key = new_key()
    with transaction(engine) as session:
        api_keys.add_key(
            session, name, name, key_sha256(key), now=now(), scopes=["read"], projects=None
        )
    return key


async def follow(gate: Gate, headers: list[tuple[bytes, bytes]]) -> list[Any]:
    """Read the stream until the server ends it."""
    said: list[Any] = []

    async def send(message: Any) -> None:
        said.append(message)

    scope = {
        "type": "http", "method": "GET", "path": "/stream", "raw_path": b"/stream",
        "query_string": b"", "headers": [(b"host", b"localhost"), *headers], "root_path": "",
        "http_version": "1.1", "scheme": "http", "client": ("127.0.0.1", 1),
        "server": ("localhost", 80),
    }  # fmt: skip
    async with asyncio.timeout(60):
        await gate(scope, asyncio.Event().wait, send)
    return said


@pytest.mark.parametrize("by_cookie", [False, True], ids=["key", "cookie"])
@pytest.mark.parametrize("asked_before", [None, 0.001, 0.2])
def test_an_answer_under_way_ends_within_a_second_of_the_revocation(
    engine: Engine, by_cookie: bool, asked_before: float | None
) -> None:
    took = []
    for number, revoked_at in enumerate(PHASES):
        clock, name = Clock(), f"{by_cookie}-{asked_before}-{number}"
        key = make_key(engine, name)
        keys = KeyRing(None, engine, clock.monotonic, now)
        sessions = Sessions(engine, keys, now)
        gate = Gate(silent, keys, sessions, Failures(clock.monotonic), refuse, clock.sleep)

        def end(name: str = name) -> None:
            with transaction(engine) as session:
                revoke_key(session, name, now=now())

        if asked_before is not None:  # by another request, which has the table read
            clock.plan.append((revoked_at - asked_before, lambda k=keys, s=key: k.identify(s)))
        clock.plan.append((revoked_at, end))
        headers = [(b"authorization", f"Bearer {key}".encode())]
        if by_cookie:
            begun = sessions.begin(key, "")
            assert begun is not None
            headers = [(b"cookie", f"{COOKIE}={begun.token}".encode())]
        said = asyncio.run(follow(gate, headers))
        assert [message["type"] for message in said] == [
            "http.response.start",
            "http.response.body",
        ]
        took.append(clock.time - revoked_at)
        assert keys.identify(key) is None
    assert 0 < min(took) and max(took) <= PROMISED_SECONDS, took


def test_whoever_asks_anew_is_refused_within_a_second_of_the_revocation(engine: Engine) -> None:
    clock, key = Clock(), make_key(engine, "me")
    keys = KeyRing(None, engine, clock.monotonic, now)
    assert keys.identify(key) is not None
    with transaction(engine) as session:
        revoke_key(session, "me", now=now())
    for hundredths in range(101):
        clock.time = hundredths / 100
        if keys.identify(key) is None:
            break
    assert 0 < clock.time <= PROMISED_SECONDS
