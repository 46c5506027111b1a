"""Logging in by the page's form: what it takes, and what it makes of anything else."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine

from service.app import create_app
from service.auth.key import key_sha256, new_key
from service.settings import Settings
from tests.fakes.local import LOCAL, local_client

KEY = new_key()


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    return sqlite_url  # logging in does not depend on the kind of database


@pytest.fixture
def page(settings: Settings, engine: Engine, tmp_path: Path) -> Iterator[TestClient]:
    keys = tmp_path / "keys"
    keys.write_text(f"me:{key_sha256(KEY)}\n")
    app = create_app(settings.model_copy(update={"api_keys_file": keys}))
    with local_client(app, raise_server_exceptions=False, follow_redirects=False) as client:
        client.headers["Origin"] = LOCAL
        yield client


@pytest.mark.parametrize(
    "form", ["&" * 4, "key=x&" * 5, "next=/&" * 4 + f"key={KEY}"], ids=range(3)
)
def test_a_form_of_more_fields_is_refused(page: TestClient, form: str) -> None:
    answer = page.post("/login", content=form)
    assert (answer.status_code, answer.json()["code"]) == (400, "http-400")
    assert answer.json()["detail"] == "the form must have at most 4 fields"


@pytest.mark.parametrize("form", [b"", b"key=", b"key=%ff%00", b"\xff\xfe", b"next=//[", b"%"])
def test_a_form_without_a_right_key_is_answered_with_the_page(
    page: TestClient, form: bytes
) -> None:
    answer = page.post("/login", content=form)
    assert answer.status_code == 401
    assert answer.headers["content-type"].startswith("text/html")


def test_a_right_key_leads_on(page: TestClient) -> None:
    answer = page.post("/login", data={"key": KEY, "next": "/docs"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/docs")
    assert page.get("/readyz").status_code == 503  # with the cookie
