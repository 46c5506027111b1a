"""Schedules over HTTP, on both databases."""

import dataclasses
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from sqlalchemy import Engine, update

from service.db.engine import transaction
from service.db.tables import Schedule, Study
from tests.fakes.schedules import HandClock, add, complete, statuses, take_over
from tests.fakes.specs import SMALL
from tests.service.api.at_once import at_once
from tests.service.api.test_studies import assert_problem

URL = "/api/v1/schedules"
NIGHTLY = {"name": "nightly", "cron": "0 2 * * *", "time_zone": "Europe/Berlin", "spec": SMALL}


def post(client: TestClient, **changes: Any) -> str:
    response = client.post(URL, json={**NIGHTLY, **changes})
    assert response.status_code == 201, response.text
    return str(response.json()["schedule_id"])


def test_a_schedule_is_added_and_found_where_it_says(client: TestClient) -> None:
    response = client.post(URL, json=NIGHTLY)
    assert response.status_code == 201
    found = client.get(response.headers["location"])
    assert (found.status_code, found.headers["etag"]) == (200, '"1"')
    schedule = found.json()
    policies = {"catch_up": "skip", "overlap": "skip", "seed": "fresh", "paused": False}
    assert {name: schedule[name] for name in policies} == policies
    assert schedule["next_fire_at"][-9:] in ("00:00:00Z", "01:00:00Z")
    assert schedule["last_run"] is None
    assert schedule["spec"]["verdict"]["first_seed"] == 0


def test_a_schedule_may_be_yaml(client: TestClient) -> None:
    body = json.dumps(NIGHTLY)  # JSON is YAML
    headers = {"Content-Type": "application/yaml"}
    assert client.post(URL, content=body, headers=headers).status_code == 201


def test_adding_the_very_same_again_changes_nothing(client: TestClient) -> None:
    first = post(client)
    assert post(client, overlap="skip") == first
    problem = assert_problem(
        client.post(URL, json={**NIGHTLY, "cron": "0 3 * * *"}), 409, "schedule-exists"
    )
    assert "nightly" in problem["detail"] and "remove it" in problem["detail"]
    assert len(client.get(URL).json()["items"]) == 1


def test_a_schedule_stored_with_the_word_default_is_the_same_as_one_with_its_range(
    client: TestClient, engine: Engine
) -> None:
    maml = {"algorithm": "maml", "space": {"inner_lr": "default"}}
    spec = {**SMALL, "branches": [maml]}
    first = post(client, spec=spec)
    with transaction(engine) as session:  # as an earlier version stored it
        row = session.get_one(Schedule, first)
        row.spec = {**row.spec, "branches": [{**maml, "share": None}]}
    assert post(client, spec=spec) == first


def test_one_name_at_the_same_moment_makes_one_schedule(client: TestClient) -> None:
    answers = at_once(4, lambda: client.post(URL, json=NIGHTLY))
    assert [answer.status_code for answer in answers] == [201] * 4
    assert len({answer.json()["schedule_id"] for answer in answers}) == 1


@pytest.mark.parametrize(
    ("change", "field", "words"),
    [
        ({"cron": "0 2 * *"}, "cron", "must have five fields"),
        ({"cron": "@daily"}, "cron", "0 2 * * *"),
        ({"cron": "0 25 * * *"}, "cron", "got a bad hour in '0 25 * * *'"),
        ({"cron": "0 0 31 2 *"}, "cron", "got a bad day-of-month"),
        ({"cron": "0 0 */29 2 MON#5"}, "cron", "never does"),
        ({"cron": "9" * 101}, "cron", "100"),
        ({"time_zone": "Europe/Atlantis"}, "time_zone", "got 'Europe/Atlantis'"),
        ({"time_zone": "Europe"}, "time_zone", "as UTC or Europe/Berlin"),
        ({"time_zone": "/etc/passwd"}, "time_zone", "IANA"),
        ({"catch_up": "twice"}, "catch_up", "'skip', 'once' or 'all'"),
        ({"catch_up": "all"}, "schedule", "needs overlap: queue, got skip"),
        ({"name": "a" * 32}, "name", "must not look like the id"),
        ({"name": "no spaces"}, "name", "may not have a space, character 3 of"),
        ({"colour": "red"}, "colour", "is not a known field"),
    ],
)
def test_what_breaks_a_rule_is_refused_by_field(
    client: TestClient, change: dict[str, Any], field: str, words: str
) -> None:
    problem = assert_problem(client.post(URL, json={**NIGHTLY, **change}), 422, "invalid-request")
    [error] = problem["errors"]
    assert error["field"] == field and words in error["message"]


@pytest.mark.parametrize(
    ("spec", "field"),
    [
        ({**SMALL, "seed": -1}, "spec.seed"),
        (None, "spec"),
        ({**SMALL, "warm_start": {"studies": ["f" * 32]}}, "warm_start.studies[0]"),
    ],
)
def test_a_spec_that_is_none_is_refused_at_once(client: TestClient, spec: Any, field: str) -> None:
    problem = assert_problem(client.post(URL, json={**NIGHTLY, "spec": spec}), 422, "invalid-spec")
    assert problem["errors"][0]["field"] == field


@pytest.mark.parametrize("body", ["[]", "null", '"x"', "{}"])
def test_no_body_is_a_server_error(client: TestClient, body: str) -> None:
    headers = {"Content-Type": "application/json"}
    assert_problem(client.post(URL, content=body, headers=headers), 422, "invalid-request")


def test_verbs_may_be_repeated(client: TestClient) -> None:
    url = f"{URL}/{post(client)}"
    for _ in range(2):
        paused = client.post(f"{url}:pause")
        assert (paused.status_code, paused.headers["etag"]) == (200, '"2"')
        assert (paused.json()["paused"], paused.json()["next_fire_at"]) == (True, None)
    for _ in range(2):
        resumed = client.post(f"{url}:resume")
        assert (resumed.json()["paused"], resumed.headers["etag"]) == (False, '"3"')
    assert client.delete(url).json()["name"] == "nightly"
    assert_problem(client.delete(url), 404, "schedule-not-found")


def test_a_run_asked_for_is_submitted_by_the_dispatcher(client: TestClient, engine: Engine) -> None:
    schedule_id = post(client)
    answer = client.post(f"{URL}/{schedule_id}:run-now")
    assert (answer.status_code, int(answer.headers["retry-after"]) > 0) == (202, True)
    run = answer.json()
    assert (run["status"], run["manual"], run["study_id"]) == ("waiting", True, None)
    take_over(engine, HandClock()).step()
    [found] = client.get(f"{URL}/{schedule_id}/runs").json()["items"]
    assert found == client.get(f"{URL}/{schedule_id}").json()["last_run"]
    assert (found["status"], found["study_status"]) == ("submitted", "queued")
    study = client.get(f"/api/v1/studies/{found['study_id']}").json()
    assert study["name"].startswith("small sinusoid 2")


def test_lists_have_pages(client: TestClient, engine: Engine) -> None:
    clock = HandClock()
    ids = []
    for name in "abc":
        ids.append(add(engine, clock, name=name))
        clock.go(seconds=1)
    first = client.get(URL, params={"limit": 2})
    assert [one["schedule_id"] for one in first.json()["items"]] == [ids[2], ids[1]]
    assert 'rel="next"' in first.headers["link"]
    rest = client.get(URL, params={"cursor": first.json()["next_cursor"]}).json()
    assert ([one["schedule_id"] for one in rest["items"]], rest["next_cursor"]) == ([ids[0]], None)
    assert [one["name"] for one in client.get(URL, params={"name": "b"}).json()["items"]] == ["b"]
    for none in ("\x00b", "\x7f", "d"):  # no schedule is called so, nor could one be
        assert client.get(URL, params={"name": none}).json()["items"] == []
    clock.go(hours=5)
    take_over(engine, clock).step()
    runs = client.get(f"{URL}/{ids[0]}/runs", params={"limit": 3}).json()
    times = [run["fire_at"][11:16] for run in runs["items"]]
    rest = client.get(f"{URL}/{ids[0]}/runs", params={"cursor": runs["next_cursor"]}).json()
    times += [run["fire_at"][11:16] for run in rest["items"]]
    assert times == ["17:00", "16:00", "15:00", "14:00", "13:00"]


def test_an_unknown_schedule_is_not_found(client: TestClient) -> None:
    for schedule_id in ("f" * 32, "nightly", "%00", "a" * 5000):
        for path in ("", "/runs", "/history", "/chart"):
            answer = client.get(f"{URL}/{schedule_id}{path}")
            assert_problem(answer, 404, "schedule-not-found")
        for verb in ("pause", "resume", "run-now"):
            answer = client.post(f"{URL}/{schedule_id}:{verb}")
            assert_problem(answer, 404, "schedule-not-found")


def test_the_chart_is_a_figure_once_a_study_has_ended(client: TestClient, engine: Engine) -> None:
    schedule_id = post(client)
    assert client.get(f"{URL}/{schedule_id}/chart").json() is None
    client.post(f"{URL}/{schedule_id}:run-now")
    take_over(engine, HandClock()).step()
    complete(engine, 0.5)
    figure = client.get(f"{URL}/{schedule_id}/chart").json()
    assert [trace["name"] for trace in figure["data"]] == ["candidate", "incumbent"]


def test_removing_leaves_studies_alone(client: TestClient, engine: Engine) -> None:
    schedule_id = post(client)
    client.post(f"{URL}/{schedule_id}:run-now")
    take_over(engine, HandClock()).step()
    with transaction(engine) as session:
        session.execute(update(Study).values(status="running"))
    client.delete(f"{URL}/{schedule_id}")
    assert statuses(engine) == []
    assert client.get("/api/v1/studies").json()["items"][0]["status"] == "running"


def test_a_firing_counts_towards_the_quota_of_whoever_made_the_schedule(
    app: FastAPI, client: TestClient, engine: Engine
) -> None:
    app.state.context = dataclasses.replace(app.state.context, queued_per_key=1)
    clock = HandClock(datetime.now(UTC))
    runner = take_over(engine, clock, most_queued=1)
    queued = client.post("/api/v1/studies", json=SMALL).json()["study_id"]
    schedule_id = post(client, cron="* * * * *")
    clock.go(seconds=60)
    runner.step()
    [run] = client.get(f"{URL}/{schedule_id}/runs").json()["items"]
    assert (run["status"], run["study_id"]) == ("skipped", None)
    assert "METAOPT_QUEUED_PER_KEY" in run["reason"]
    client.post(f"/api/v1/studies/{queued}:cancel")
    clock.go(seconds=60)
    runner.step()
    assert statuses(engine) == ["skipped", "submitted"]
    refused = client.post("/api/v1/studies", json=SMALL)  # what it queued counts, too
    assert_problem(refused, 429, "too-many-studies")


def test_a_key_has_a_most_of_active_schedules(app: FastAPI, client: TestClient) -> None:
    app.state.context = dataclasses.replace(app.state.context, schedules_per_key=1)
    first, another = post(client), {**NIGHTLY, "name": "another"}
    assert post(client) == first  # what is there stays there
    refused = client.post(URL, json=another)
    problem = assert_problem(refused, 429, "too-many-schedules")
    assert "METAOPT_SCHEDULES_PER_KEY" in problem["detail"] and refused.headers["retry-after"]
    elsewhere = client.post(URL, json=another, headers={"Metaopt-Project": "another"})
    assert elsewhere.status_code == 429
    client.post(f"{URL}/{first}:pause")
    assert client.post(URL, json=another).status_code == 201
    assert_problem(client.post(f"{URL}/{first}:resume"), 429, "too-many-schedules")
