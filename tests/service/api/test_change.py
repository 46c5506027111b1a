"""Changing a budget over HTTP, on both databases."""

from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine, select

from service.db.engine import reading, transaction
from service.db.tables import Event, Spending
from tests.fakes.rows import add_study, add_trial
from tests.service.api.test_studies import URL, assert_problem, submit

STUDY = f"{URL}/{'a' * 32}"


def patch(client: TestClient, url: str, body: Any, if_match: str | None = "*") -> Any:
    headers = {"Content-Type": "application/merge-patch+json"}
    return client.patch(
        url, json=body, headers={**headers, **({"If-Match": if_match} if if_match else {})}
    )


@pytest.fixture
def running(client: TestClient, engine: Engine) -> None:
    """Write a running study that has spent something."""
    with transaction(engine) as session:
        add_study(session)
        add_trial(session, 0, "completed", score=0.5)
        add_trial(session, 3, branch="reptile")
        session.add(
            Spending(study_id="a" * 32, wall_seconds=20.5, device_seconds=33.0, meta_iterations=120)
        )


def test_a_budget_is_changed_under_the_version_that_was_read(
    client: TestClient, engine: Engine
) -> None:
    url = f"{URL}/{submit(client)}"
    etag = client.get(url).headers["etag"]
    response = patch(client, url, {"budget": {"trials": 30, "wall_seconds": 3600}}, etag)
    assert response.status_code == 200, response.text
    assert response.headers["etag"] == '"2"'
    budget = response.json()["spec"]["budget"]
    assert (budget["trials"], budget["wall_seconds"], budget["meta_iterations"]) == (30, 3600, 90)
    response = patch(client, url, {"budget": {"wall_seconds": None}}, '"1", "2"')
    assert response.json()["spec"]["budget"]["wall_seconds"] is None
    with reading(engine) as session:
        told = list(session.scalars(select(Event.data).where(Event.kind == "budget_changed")))
    assert told == [
        {"budget": {"trials": 30, "wall_seconds": 3600.0}},
        {"budget": {"wall_seconds": None}},
    ]


def test_a_change_that_changes_nothing_makes_no_version(client: TestClient) -> None:
    url = f"{URL}/{submit(client)}"
    for body in ({}, {"budget": {}}, {"budget": {"trials": 8}}):
        assert patch(client, url, body).headers["etag"] == '"1"'


def test_a_change_without_a_version_or_with_an_old_one_is_refused(client: TestClient) -> None:
    url = f"{URL}/{submit(client)}"
    body = {"budget": {"trials": 30}}
    problem = assert_problem(patch(client, url, body, None), 428, "precondition-required")
    assert '"1"' in problem["detail"]
    client.post(f"{url}:pause")
    for old in ('"1"', 'W/"2"', "2", '"9", "7"'):
        problem = assert_problem(patch(client, url, body, old), 412, "precondition-failed")
        assert 'is "2" now' in problem["detail"]
    assert patch(client, url, body, '"2"').json()["status"] == "paused"


@pytest.mark.parametrize(
    ("body", "field", "words"),
    [
        ({"name": "x"}, "name", "only budget.trials, wall_seconds"),
        ({"budget": {"meta_iterations": 5}}, "budget.meta_iterations", "cannot be changed"),
        ({"budget": {"colour": 5}}, "budget.colour", "cannot be changed"),
        ({"budget": {"trails": 5}}, "budget.trails", "did you mean trials?"),
        ({"budgt": {"trials": 5}}, "budgt", "did you mean budget?"),
        ({"budget": 3}, "budget", "must be an object, got 3"),
        ([], "patch", "must be an object"),
        ({"budget": {"trials": None}}, "budget.trials", "must be a valid integer, got None"),
        ({"budget": {"trials": 2.5}}, "budget.trials", "must be a valid integer, got 2.5"),
        ({"budget": {"wall_seconds": -1}}, "budget.wall_seconds", "greater than 0, got -1"),
        ({"budget": {"trials": 10_001}}, "budget.trials", "less than or equal to 10000, got 10001"),
    ],
)
def test_what_is_no_budget_is_refused_by_field(
    client: TestClient, body: Any, field: str, words: str
) -> None:
    url = f"{URL}/{submit(client)}"
    problem = assert_problem(patch(client, url, body), 422, "invalid-spec")
    assert problem["errors"][0]["field"] == field
    assert words in problem["errors"][0]["message"]
    assert client.get(url).headers["etag"] == '"1"'


@pytest.mark.parametrize(
    ("name", "least", "too_little"),
    [
        ("trials", 2, 1),
        ("wall_seconds", 20.5, 20.25),
        ("device_seconds", 33.0, 32),
        ("total_meta_iterations", 120, 119),
    ],
)
def test_a_budget_is_never_set_below_what_is_spent(
    client: TestClient, running: None, name: str, least: float, too_little: float
) -> None:
    response = patch(client, STUDY, {"budget": {name: too_little}})
    problem = assert_problem(response, 409, "budget-below-spent")
    assert f"budget.{name} must be at least the {least:g} that are spent" in problem["detail"]
    assert f"got {too_little:g}" in problem["detail"]
    assert patch(client, STUDY, {"budget": {name: least}}).status_code == 200


@pytest.mark.parametrize("status", ["completed", "failed", "cancelled"])
def test_a_study_that_has_ended_is_not_extended(
    client: TestClient, engine: Engine, status: str
) -> None:
    with transaction(engine) as session:
        add_study(session, status=status)
    problem = assert_problem(patch(client, STUDY, {"budget": {"trials": 99}}), 409, "search-over")
    assert f"the study is {status}" in problem["detail"] and "warm_start" in problem["detail"]


def test_a_search_that_has_ended_is_not_extended(
    client: TestClient, engine: Engine, running: None
) -> None:
    with transaction(engine) as session:
        session.get_one(Spending, "a" * 32).ended_by = "device_seconds"
    problem = assert_problem(patch(client, STUDY, {"budget": {"trials": 99}}), 409, "search-over")
    assert "device_seconds" in problem["detail"] and "verdict is under way" in problem["detail"]


def test_an_unknown_study_has_no_budget(client: TestClient) -> None:
    assert_problem(patch(client, f"{URL}/{'f' * 32}", {}), 404, "study-not-found")


def test_a_study_says_what_its_search_has_spent(
    client: TestClient, engine: Engine, running: None
) -> None:
    study = client.get(STUDY).json()
    assert study["spent"] == {
        "trials": 2,
        "wall_seconds": 20.5,
        "device_seconds": 33.0,
        "meta_iterations": 120,
    }
    assert study["search_ended_by"] is None
    fresh = client.get(f"{URL}/{submit(client)}").json()
    assert set(fresh["spent"].values()) == {0}
