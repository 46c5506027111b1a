"""A study is meant by its id, `last`, its name or its first digits."""

from datetime import timedelta
from urllib.parse import quote

import pytest
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine

from service.db.engine import transaction
from tests.fakes.rows import NOON, add_study
from tests.properties import examples

OLD, NEW, OTHER = f"abcd1{'0' * 27}", f"abcd2{'0' * 27}", f"77{'0' * 30}"
ODD = "nightly/lr sweep? 100 % «a:b»"


@pytest.fixture
def three(engine: Engine) -> None:
    with transaction(engine) as session:
        add_study(session, OLD, name="twin", created_at=NOON)
        add_study(session, OTHER, name=ODD, created_at=NOON + timedelta(hours=1))
        add_study(session, NEW, name="twin", created_at=NOON + timedelta(hours=2))


def found(client: TestClient, reference: str) -> str:
    answer = client.get("/api/v1/studies:find", params={"ref": reference})
    assert answer.status_code == 200, answer.text
    name: str = answer.json()["study_id"]
    return name


@pytest.mark.parametrize(
    ("reference", "study_id"),
    [(OLD, OLD), ("last", NEW), (ODD, OTHER), ("abcd1", OLD), ("7700", OTHER)],
)
def test_one_study_is_found(client: TestClient, three: None, reference: str, study_id: str) -> None:
    assert found(client, reference) == study_id
    if "/" not in reference:
        for below in ("", "/trials", "/asks?branch=maml", "/events", "/report", "/export"):
            path = f"/api/v1/studies/{quote(reference)}{below}"
            if below == "/events":
                continue  # goes on until the study ends
            assert client.get(path).status_code == 200, path
        cancelled = client.post(f"/api/v1/studies/{quote(reference)}:cancel")
        assert cancelled.json()["study_id"] == study_id


def test_what_several_could_be_is_refused_with_what_they_are(
    client: TestClient, three: None
) -> None:
    for reference, why in (("twin", "2 studies are named 'twin'"), ("abcd", "begin with 'abcd'")):
        for answer in (
            client.get("/api/v1/studies:find", params={"ref": reference}),
            client.get(f"/api/v1/studies/{reference}"),
            client.post(f"/api/v1/studies/{reference}:cancel"),
        ):
            assert (answer.status_code, answer.json()["code"]) == (409, "study-ambiguous")
            first, newest, oldest = answer.json()["detail"].splitlines()
            assert why in first
            assert newest.startswith(f"{NEW[:12]}  running, submitted 2026-01-02 14:00:00 UTC")
            assert oldest.startswith(OLD[:12])


@pytest.mark.parametrize(
    ("reference", "words"),
    [
        ("twim", "did you mean 'twin'?"),
        ("abc", "4 or more of its first digits"),
        ("e" * 32, "there is no study of this id"),
        ("", "no study named ''"),
        ("\x00", "no study named"),
    ],
)
def test_no_study_is_found(client: TestClient, three: None, reference: str, words: str) -> None:
    answer = client.get("/api/v1/studies:find", params={"ref": reference})
    assert (answer.status_code, answer.json()["code"]) == (404, "study-not-found")
    assert words in answer.json()["detail"]


def test_last_of_none_is_said(client: TestClient) -> None:
    assert client.get("/api/v1/studies/last").json()["detail"] == "there is no study yet"


def test_an_id_goes_before_last_and_last_before_a_name_and_a_name_before_digits(
    client: TestClient, engine: Engine, three: None
) -> None:
    with transaction(engine) as session:
        for number, name in enumerate((OLD, "abcd1", "last")):
            add_study(session, f"{number}" * 32, name=name, created_at=NOON)
    assert found(client, OLD) == OLD
    assert found(client, "abcd1") == "1" * 32
    assert found(client, "last") == NEW


@settings(max_examples=examples(50), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(reference=st.text(max_size=250))
def test_whatever_is_asked_for_is_a_study_or_a_problem(client: TestClient, reference: str) -> None:
    text = reference.encode(errors="ignore").decode()
    answer = client.get("/api/v1/studies:find", params={"ref": text})
    assert answer.status_code in (200, 404, 409, 422), answer.text


def test_a_baseline_is_promoted_by_name(client: TestClient, three: None) -> None:
    answer = client.post("/api/v1/baselines/main:promote", json={"study_id": "twin"})
    assert answer.json()["code"] == "study-ambiguous"
    answer = client.post("/api/v1/baselines/main:promote", json={"study_id": ODD})
    assert answer.json()["code"] == "result-not-ready"
