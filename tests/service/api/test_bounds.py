"""Bounds of every body: size, time and all of them together; whatever route it is sent to."""

import asyncio
import dataclasses
import json
import time
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from sqlalchemy import Engine

from service.api.bodies import bounds
from service.app import create_app
from service.db.dispatcher import acquire, tell_slots_of
from service.db.engine import transaction
from service.planning.door import MostCost
from service.settings import Settings
from service.wire.parsing.plain_data import MAX_BODY_BYTES, MAX_MANIFEST_BYTES
from service.wire.views.slots import SlotsView
from tests.fakes.local import local_client
from tests.fakes.specs import SPEC

JSON = {"content-type": "application/json"}
MANIFESTS = "/api/v1/datasets"
BLOB = f"/api/v1/datasets/blobs/{'0' * 64}"
LARGER = (MANIFESTS, "/api/v1/datasets/blobs/{sha256}")
"""They take more, and have bounds of their own."""


def changing(app: FastAPI) -> list[tuple[str, str]]:
    """Return every route that takes a body, or could, but for the two of large ones."""
    found = [
        (method, path.replace("{", "").replace("}", ""))
        for path, methods in app.openapi()["paths"].items()
        for method in methods
        if method != "get" and path not in LARGER
    ]
    assert len(found) >= 12
    return found


def test_no_route_takes_a_body_without_a_limit(app: FastAPI, client: TestClient) -> None:
    large = b'{"study_id": "' + b"a" * MAX_BODY_BYTES + b'"}'
    others = [("get", "/api/v1/studies"), ("post", "/api/studies"), ("get", MANIFESTS)]
    others += [("put", f"{BLOB}0"), ("put", f"{BLOB}/x"), ("post", f"{MANIFESTS}/x")]
    for method, path in [*changing(app), *others]:
        announced = client.request(method, path, content=large, headers=JSON)
        assert (announced.status_code, announced.json()["code"]) == (413, "body-too-large"), path
    for path in ("/api/v1/studies", "/api/v1/baselines/main:promote", "/api/v1/schedules"):
        in_pieces = client.post(path, content=iter([large[:1000], large[1000:]]), headers=JSON)
        assert (in_pieces.status_code, in_pieces.json()["code"]) == (413, "body-too-large"), path
        packed = client.post(path, content=b"\x1f\x8b" * 9, headers={"content-encoding": "gzip"})
        assert 400 <= packed.status_code < 500, path


def test_a_manifest_has_a_limit_of_its_own(client: TestClient) -> None:
    large = b" " * (MAX_MANIFEST_BYTES + 1)
    for content in (large, iter([large[:1000], large[1000:]])):
        refused = client.post(MANIFESTS, content=content, headers=JSON)
        assert (refused.status_code, refused.json()["code"]) == (413, "body-too-large")


def ask(
    app: FastAPI,
    pieces: list[bytes | float | None],
    path: str = "/api/v1/studies",
    method: str = "POST",
) -> Any:
    """Send a body in pieces; return status, headers and problem.

    Args:
        pieces: Bytes; seconds that the client waits before the next; None for a minute.
    """
    scope = {
        "type": "http", "http_version": "1.1", "method": method, "scheme": "http", "path": path,
        "query_string": b"", "root_path": "", "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 80),
        "headers": [(b"host", b"localhost"), (b"content-type", b"application/json")],
    }  # fmt: skip
    sent: list[Any] = []

    async def receive() -> Any:
        piece = pieces.pop(0)
        while not isinstance(piece, bytes):
            await asyncio.sleep(60 if piece is None else piece)
            piece = pieces.pop(0)
        return {"type": "http.request", "body": piece, "more_body": bool(pieces)}

    async def send(message: Any) -> None:
        sent.append(message)

    asyncio.run(app(scope, receive, send))
    return sent[0]["status"], dict(sent[0]["headers"]), json.loads(sent[1]["body"])


ROUTES = [
    ("POST", "/api/v1/studies"),
    ("POST", "/api/v1/baselines/main:promote"),
    ("POST", MANIFESTS),
    ("PUT", BLOB),
]


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait a hundredth, and less, of the time that is documented."""
    monkeypatch.setattr(bounds, "SILENCE_SECONDS", 0.1)
    monkeypatch.setattr(bounds, "ARRAYS_SILENCE_SECONDS", 0.1)


@pytest.mark.usefixtures("hurried")
@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_a_body_that_does_not_come_is_not_waited_for(
    app: FastAPI, client: TestClient, method: str, path: str
) -> None:
    assert client  # it ends what the application holds
    begun = time.monotonic()
    status, headers, problem = ask(app, [b"{", None, b"}"], path, method)
    assert (status, problem["code"]) == (408, "request-timeout")
    assert headers[b"connection"] == b"close"
    assert "within 0.1 s" in problem["detail"] and time.monotonic() - begun < 5


@pytest.mark.usefixtures("hurried")
@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_a_body_that_drips_has_no_more_time_than_its_bytes(
    app: FastAPI, client: TestClient, method: str, path: str
) -> None:
    assert client
    drops: list[bytes | float | None] = [b" ", 0.04] * 1000
    status, _, problem = ask(app, [*drops, b" "], path, method)
    assert (status, problem["code"]) == (408, "request-timeout")
    assert len(drops) == 2000 and "3 bytes did" in problem["detail"]


@pytest.mark.usefixtures("hurried")
def test_a_transfer_that_is_too_slow_leaves_nothing(
    app: FastAPI, client: TestClient, settings: Settings
) -> None:
    assert client
    ask(app, [b"x" * 5000, None, b"x"], BLOB, "PUT")
    assert not any((settings.data_sets() / "incoming").iterdir())


def test_the_bounds_are_those_that_are_documented() -> None:
    text = (Path(__file__).parents[3] / "SECURITY.md").read_text(encoding="utf-8")
    assert (bounds.SILENCE_SECONDS, bounds.ARRAYS_SILENCE_SECONDS) == (10, 60)
    assert (bounds.LEAST_RATE, bounds.MOST_HELD_BYTES) == (51.2 * 1024, 48 * 2**20)
    assert "| body of a request; manifest of a data set | 1 MiB; 32 MiB | 413 |" in text
    assert (
        "| all bodies under way, of which data sets | 48 MiB; 40 MiB | 429, `Retry-After` |" in text
    )
    assert "10 s, and 1 s more for each 50 KiB" in text and "60 s, and 1 s more" in text


@pytest.mark.parametrize("path", ["/api/v1/studies", MANIFESTS])
def test_bodies_at_once_have_a_limit_together(
    app: FastAPI, client: TestClient, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    monkeypatch.setattr(bounds, "MOST_HELD_BYTES", 1000)
    monkeypatch.setattr(bounds, "LEFT_TO_OTHERS", 0)
    status, headers, problem = ask(app, [b"[" * 600, b"]" * 600], path)
    assert (status, problem["code"]) == (429, "too-many-bodies")
    assert headers[b"retry-after"] == b"5"
    for _ in range(5):  # what was held is let go
        assert client.post(path, content=b"[" * 600, headers=JSON).status_code == 422


def test_data_sets_leave_room_for_others(
    app: FastAPI, client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bounds, "MOST_HELD_BYTES", 1000)
    monkeypatch.setattr(bounds, "LEFT_TO_OTHERS", 500)
    for method, path in (("POST", MANIFESTS), ("PUT", BLOB)):
        status, _, problem = ask(app, [b"[" * 300, b"]" * 300], path, method)
        assert (status, problem["code"]) == (429, "too-many-bodies")
    assert client.post("/api/v1/studies", content=b"[" * 600, headers=JSON).status_code == 422


def test_what_costs_more_than_is_allowed_is_refused_and_previewed(
    app: FastAPI, client: TestClient
) -> None:
    shown = client.post("/api/v1/studies/preview", json=SPEC).json()
    assert shown["lane_bytes"] > 1e5 and shown["evaluation_seconds"] > 0
    context = app.state.context
    app.state.context = dataclasses.replace(context, most_cost=MostCost(1e5, 1e-3))
    for path in ("/api/v1/studies", "/api/v1/studies/preview"):
        refused = client.post(path, json=SPEC)
        fields = [error["field"] for error in refused.json()["errors"]]
        assert (refused.status_code, fields) == (
            422,
            ["model", "evaluation.tasks", "verdict.tasks"],
        )


PATHS = ("/api/v1/studies/preview", "/api/v1/studies")
WIDE = {
    **SPEC,
    "model": {"kind": "mlp", "widths": [4096] * 6},
    "branches": [{"algorithm": "maml", "space": {"meta_batch": 1, "inner_steps": 1}}],
    "evaluation": {"tasks": 2},
    "verdict": {"tasks": 2},
}
"""Its trials need some 2 GiB, by the estimate."""


def doors(app: FastAPI, document: dict[str, Any] = WIDE) -> tuple[set[int], str]:
    with local_client(app) as client:
        answers = [client.post(path, json=document) for path in PATHS]
    return {answer.status_code for answer in answers}, answers[-1].text


@pytest.mark.parametrize("told", [True, False], ids=["as-told", "as-set"])
def test_by_default_no_trial_may_need_more_than_a_worker_on_a_core_may_take(
    settings: Settings, engine: Engine, told: bool
) -> None:
    given = {"devices": "cpu", "worker_bytes": None if told else 2**30}
    if told:  # by a dispatcher that may be elsewhere
        tell(engine, worker_bytes=2**30)
    here = settings.model_copy(update=given)
    refused, said = doors(create_app(here))
    assert refused == {422} and "the most here is 1.0 (a worker's, METAOPT_WORKER_BYTES)" in said
    allowed, _ = doors(create_app(here.model_copy(update={"lane_bytes": 2**33})))
    assert allowed == {200, 202}  # as it is set


def test_a_worker_on_a_device_has_no_limit_at_the_door(settings: Settings, engine: Engine) -> None:
    tell(engine, worker_bytes=None)
    allowed, _ = doors(create_app(settings.model_copy(update={"worker_bytes": 2**30})))
    assert allowed == {200, 202}


def tell(engine: Engine, worker_bytes: int | None) -> None:
    """As a dispatcher tells of its slots."""
    with transaction(engine) as session:
        assert acquire(session, "somewhere", lambda holder: False) == 1
        view = SlotsView(slots=[], worker_bytes=worker_bytes)
        tell_slots_of(session, view.model_dump(mode="json"))
