"""Who comes in: keys in every form, names of the host, pages of other sites."""

import base64
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from sqlalchemy import Engine

from service.app import create_app
from service.auth import watch
from service.auth.gate import key_of
from service.auth.key import key_sha256, new_key
from service.auth.policy import READ
from service.errors import Forbidden
from service.settings import Settings
from tests.fakes.local import LOCAL, local_client
from tests.fakes.specs import SPEC

KEY, OTHER = new_key(), new_key()
URL = "/api/v1/studies"


def basic(key: str) -> str:
    return "Basic " + base64.b64encode(f"anyone:{key}".encode()).decode()


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    return sqlite_url  # the gate does not depend on the kind of database


@pytest.fixture
def keys_file(tmp_path: Path) -> Path:
    path = tmp_path / "keys"
    path.write_text(f"me:{key_sha256(KEY)}\n")
    return path


@pytest.fixture
def locked(settings: Settings, engine: Engine, keys_file: Path) -> Iterator[TestClient]:
    app = create_app(settings.model_copy(update={"api_keys_file": keys_file}))
    with local_client(app, raise_server_exceptions=False) as client:
        yield client


@pytest.mark.parametrize(
    ("authorization", "status"),
    [
        (f"Bearer {KEY}", 200),
        (f"bearer  {KEY}", 200),
        (basic(KEY), 200),
        (None, 401),
        ("", 401),
        ("Bearer", 401),
        (f"Bearer {OTHER}", 401),
        (f"Bearer {KEY}x", 401),
        (f"Bearer {key_sha256(KEY)}", 401),
        (KEY, 401),
        (f"Digest {KEY}", 401),
        (basic(OTHER), 401),
        ("Basic %%%", 401),
        ("Basic " + base64.b64encode(b"\xff:\xff").decode(), 401),
    ],
    ids=range(14),  # keys are random, names of tests must not be
)
def test_only_the_right_key_opens(
    locked: TestClient, authorization: str | None, status: int
) -> None:
    headers = {} if authorization is None else {"Authorization": authorization}
    response = locked.get(URL, headers=headers)
    assert response.status_code == status
    assert "mo_" not in response.text


def test_a_key_in_the_url_opens_nothing(locked: TestClient) -> None:
    assert locked.get(URL, params={"api_key": KEY, "key": KEY}).status_code == 401


def test_a_changed_file_is_read_again(locked: TestClient, keys_file: Path) -> None:
    headers = {"Authorization": f"Bearer {OTHER}"}
    assert locked.get(URL, headers=headers).status_code == 401
    keys_file.write_text(f"me:{key_sha256(KEY)}\nother:{key_sha256(OTHER)}\n")
    assert locked.get(URL, headers=headers).status_code == 200
    keys_file.write_text(f"\ufeffother:{key_sha256(OTHER)}\r\n", encoding="utf-8")
    assert locked.get(URL, headers=headers).status_code == 200


def test_an_unreadable_file_shuts_the_server(locked: TestClient, keys_file: Path) -> None:
    os.remove(keys_file)
    response = locked.get(URL, headers={"Authorization": f"Bearer {KEY}"})
    assert response.status_code == 503
    assert response.json()["code"] == "keys-unreadable"
    assert locked.get("/healthz").status_code == 200


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost:8000", 200),
        ("127.0.0.1", 200),
        ("127.1.2.3:80", 200),
        ("[::1]:8000", 200),
        ("evil.example", 403),
        ("127.0.0.1.evil.example", 403),
        ("localhost.evil.example", 403),
        ("10.0.0.1", 403),
        ("testserver", 403),  # of one label, as a name in a local network
        ("metaopt", 403),
        ("", 403),
        ("[::1", 403),
    ],
)
def test_without_keys_only_names_of_this_machine_are_answered(
    client: TestClient, host: str, status: int
) -> None:
    assert client.get(URL, headers={"Host": host}).status_code == status


def test_without_keys_no_answer_is_cut_in_another_project(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "LOOK_AGAIN_SECONDS", 0.0)  # in the midst of every answer
    client.headers["Metaopt-Project"] = "vision"
    submitted = client.post(URL, json=SPEC)
    assert submitted.status_code == 202
    study = submitted.json()["study_id"]
    waited = client.get(f"{URL}/{study}", params={"wait": 1})
    assert (waited.status_code, waited.json()["status"]) == (200, "queued")
    assert client.post(f"{URL}/{study}:cancel").status_code == 200
    stream = client.get(f"{URL}/{study}/events")
    assert "study_cancelled" in stream.text


def test_with_keys_any_name_will_do(locked: TestClient) -> None:
    headers = {"Host": "tuning.example", "Authorization": f"Bearer {KEY}"}
    assert locked.get(URL, headers=headers).status_code == 200


@pytest.mark.parametrize(
    "origin",
    ["https://evil.example", "null", "http://localhost:81", "http://[", "//[", "http://[::1"],
)
def test_a_page_of_another_site_changes_nothing(client: TestClient, origin: str) -> None:
    response = client.post(f"{URL}/{'a' * 32}:cancel", headers={"Origin": origin})
    assert response.status_code == 403
    assert response.json()["code"] == "cross-origin"
    own = client.post(f"{URL}/{'a' * 32}:cancel", headers={"Origin": LOCAL})
    assert own.status_code == 404


@pytest.mark.parametrize("origin", ["http://[", "null", ""])
def test_a_site_that_is_none_is_another_one(locked: TestClient, origin: str) -> None:
    for path, key in ((URL, {"Authorization": f"Bearer {KEY}"}), (URL, {}), ("/login", {})):
        response = locked.post(path, headers={"Origin": origin, "Host": "", **key})
        assert (response.status_code, response.json()["code"]) == (403, "cross-origin"), path


def test_the_key_is_the_password_of_basic_whatever_it_contains() -> None:
    assert key_of(basic("a:b")) == "a:b"
    assert key_of("Bearer   ") is None


def test_what_came_in_by_no_gate_may_do_nothing() -> None:
    bare = FastAPI()
    bare.get("/", dependencies=READ)(lambda: "shown")
    with pytest.raises(Forbidden):
        local_client(bare).get("/")
