"""An Idempotency-Key is a project's: its API keys share it, and other projects do not."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from sqlalchemy import Engine

from service.auth.key import key_sha256, new_key
from service.db.engine import transaction
from service.operations.access import api_keys
from service.settings import Settings
from service.wire.words.projects import PROJECT_HEADER
from tests.fakes.access import Answer, ask, make_server
from tests.fakes.specs import SPEC
from tests.waiting import wait_until

STUDIES = "/api/v1/studies"


@pytest.fixture
def server(settings: Settings, engine: Engine, tmp_path: Path) -> Any:
    app, keys = make_server(settings, engine, tmp_path / "server")
    yield app, keys
    app.state.dashboard.close()
    app.state.context.engine.dispose()


def submit(app: FastAPI, key: str, *, project: str = "default", **changes: Any) -> Answer:
    headers = {"Idempotency-Key": "nightly", PROJECT_HEADER: project}
    body = json.dumps({**SPEC, **changes}).encode()
    return ask(app, "POST", STUDIES, key=key, body=body, headers=headers)


def new_secret(app: FastAPI, engine: Engine, name: str, *, rotate: bool) -> str:
    """Rotate a key, or revoke it and make another of its name; return the new secret."""
    secret, now = new_key(), datetime.now(UTC)
    with transaction(engine) as session:
        if rotate:
            api_keys.rotate_key(session, name, key_sha256(secret), grace=timedelta(0), now=now)
        else:
            api_keys.revoke_key(session, name, now=now)
            api_keys.create_key(
                session,
                name,
                key_sha256(secret),
                api_key_id="another",
                scopes=["submit"],
                projects=["default"],
                expires_at=None,
                now=now,
            )
    wait_until(lambda: ask(app, "GET", "/api/v1/identity", key=secret).status == 200, what="it")
    return secret


@pytest.mark.parametrize("rotate", [True, False], ids=["rotated", "replaced"])
def test_what_is_asked_again_with_a_new_secret_makes_no_second_study(
    server: Any, engine: Engine, rotate: bool
) -> None:
    app, keys = server
    first = submit(app, keys.right)
    secret = new_secret(app, engine, "right", rotate=rotate)
    again = submit(app, secret)
    assert (first.status, again.status) == (202, 202) and again.body == first.body
    refused = submit(app, secret, seed=2)
    assert (refused.status, refused.json()["code"]) == (422, "idempotency-conflict")


def test_each_project_has_keys_of_its_own(server: Any) -> None:
    app, keys = server
    ours = submit(app, keys.everywhere)
    theirs = submit(app, keys.everywhere, project="vision")
    assert (ours.status, theirs.status) == (202, 202)
    assert ours.json()["study_id"] != theirs.json()["study_id"]
    assert submit(app, keys.foreign, project="vision").body == theirs.body
    assert submit(app, keys.right).body == ours.body
    other = submit(app, keys.everywhere, project="vision", seed=2)
    assert other.status == 422 and ours.json()["study_id"] not in other.body.decode()
