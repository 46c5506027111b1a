"""Bounds of every body: size, time and all of them together; whatever route it is sent to."""

import asyncio
import dataclasses
import json
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from service.api.bodies import bounds
from service.planning.door import MostCost
from service.wire.parsing.plain_data import MAX_BODY_BYTES
from tests.fakes.specs import SPEC

JSON = {"content-type": "application/json"}
DATASETS = ("/api/v1/datasets", "/api/v1/datasets/blobs/{sha256}")
"""They take more, and look after it themselves."""


def changing(app: FastAPI) -> list[tuple[str, str]]:
    """Return every route that takes a body, or could, but for those of data sets."""
    found = [
        (method, path.replace("{", "").replace("}", ""))
        for path, methods in app.openapi()["paths"].items()
        for method in methods
        if method != "get" and not path.startswith(DATASETS)
    ]
    assert len(found) >= 12
    return found


def test_no_route_takes_a_body_without_a_limit(app: FastAPI, client: TestClient) -> None:
    large = b'{"study_id": "' + b"a" * MAX_BODY_BYTES + b'"}'
    for method, path in [*changing(app), ("get", "/api/v1/studies"), ("post", "/api/studies")]:
        announced = client.request(method, path, content=large, headers=JSON)
        assert (announced.status_code, announced.json()["code"]) == (413, "body-too-large"), path
    for path in ("/api/v1/studies", "/api/v1/baselines/main:promote", "/api/v1/schedules"):
        in_pieces = client.post(path, content=iter([large[:1000], large[1000:]]), headers=JSON)
        assert (in_pieces.status_code, in_pieces.json()["code"]) == (413, "body-too-large"), path
        packed = client.post(path, content=b"\x1f\x8b" * 9, headers={"content-encoding": "gzip"})
        assert 400 <= packed.status_code < 500, path


def ask(app: FastAPI, pieces: list[bytes | None], path: str = "/api/v1/studies") -> Any:
    """Send a body in pieces, None for a client that waits; return status and problem."""
    scope = {
        "type": "http", "http_version": "1.1", "method": "POST", "scheme": "http", "path": path,
        "query_string": b"", "root_path": "", "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 80),
        "headers": [(b"host", b"localhost"), (b"content-type", b"application/json")],
    }  # fmt: skip
    sent: list[Any] = []

    async def receive() -> Any:
        piece = pieces.pop(0)
        if piece is None:
            await asyncio.sleep(60)
        return {"type": "http.request", "body": piece, "more_body": bool(pieces)}

    async def send(message: Any) -> None:
        sent.append(message)

    asyncio.run(app(scope, receive, send))
    return sent[0]["status"], dict(sent[0]["headers"]), json.loads(sent[1]["body"])


@pytest.mark.parametrize("path", ["/api/v1/studies", "/api/v1/baselines/main:promote"])
def test_a_body_that_does_not_come_is_not_waited_for(
    app: FastAPI, client: TestClient, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    assert client  # it ends what the application holds
    monkeypatch.setattr(bounds, "SILENCE_SECONDS", 0.1)
    status, headers, problem = ask(app, [b"{", None, b"}"], path)
    assert (status, problem["code"]) == (408, "request-timeout")
    assert headers[b"connection"] == b"close"


def test_bodies_at_once_have_a_limit_together(
    app: FastAPI, client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bounds, "MOST_HELD_BYTES", 1000)
    status, headers, problem = ask(app, [b"[" * 600, b"]" * 600])
    assert (status, problem["code"]) == (429, "too-many-bodies")
    assert headers[b"retry-after"] == b"5"
    for _ in range(5):  # what was held is let go
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
