"""Studies over HTTP, on both databases."""

import dataclasses
import json
import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from sqlalchemy import Engine, func, select

from service.db.engine import reading, transaction
from service.db.tables import IdempotencyKey, Study
from service.planning.banks import digest_of
from tests.fakes.rows import add_report, add_segment, add_study, add_trial
from tests.fakes.specs import SPEC
from tests.fakes.traps import TRAPS
from tests.service.api.at_once import at_once

URL = "/api/v1/studies"
YAML = b"""
name: from yaml
tasks: {kind: sinusoid}
model: {kind: mlp}
branches:
  - algorithm: maml
    space: {inner_lr: {low: 1e-3, high: 1, log: true}}
"""


def submit(client: TestClient, spec: dict[str, Any] = SPEC, **headers: str) -> str:
    response = client.post(
        URL, json=spec, headers={k.replace("_", "-"): v for k, v in headers.items()}
    )
    assert response.status_code == 202, response.text
    return str(response.json()["study_id"])


def assert_problem(response: Any, status: int, code: str) -> dict[str, Any]:
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    problem: dict[str, Any] = response.json()
    assert problem["code"] == code
    assert problem["type"] == f"urn:metaopt:problem:{code}"
    assert problem["status"] == status
    assert problem["detail"]
    return problem


def test_a_study_is_accepted_and_found_where_it_says(client: TestClient) -> None:
    response = client.post(URL, json=SPEC)
    assert response.status_code == 202
    assert int(response.headers["retry-after"]) > 0
    found = client.get(response.headers["location"])
    assert found.status_code == 200
    study = found.json()
    assert study["status"] == "queued"
    assert study["spec"]["verdict"] == {
        "finalists": 3,
        "finalists_from": "all",
        "extra_finalists": 0,
        "seeds": 3,
        "tasks": 400,
        "compare": "default",
        "first_seed": 0,
        "cost": "adaptation_examples",
    }
    assert study["trials"]["queued"] == 0
    assert study["branches"] == {
        "maml": {"trials": 0, "best": None, "device_seconds": None},
        "reptile": {"trials": 0, "best": None, "device_seconds": None},
    }
    assert found.headers["etag"] == '"1"'


@pytest.mark.parametrize(
    "kind", ["application/yaml", "text/yaml; charset=utf-8", "application/x-yaml"]
)
def test_a_spec_may_be_yaml(client: TestClient, kind: str) -> None:
    response = client.post(URL, content=YAML, headers={"Content-Type": kind})
    assert response.status_code == 202, response.text
    assert response.json()["spec"]["branches"][0]["space"]["inner_lr"]["low"] == 1e-3


def test_a_repeated_answer_is_the_first_one_for_a_day(
    client: TestClient, app: FastAPI, engine: Engine
) -> None:
    context = app.state.context
    now = [datetime.now(UTC)]
    app.state.context = dataclasses.replace(context, now=lambda: now[0])

    def send() -> Any:
        return client.post(URL, json=SPEC, headers={"Idempotency-Key": "once"})

    first = send()
    study_id = first.json()["study_id"]
    assert client.post(f"{URL}/{study_id}:pause").json()["status"] == "paused"
    for hours in (0, 23):
        now[0] += timedelta(hours=hours)
        again = send()
        assert again.content == first.content
        names = ("location", "etag", "retry-after", "content-type")
        assert [again.headers[n] for n in names] == [first.headers[n] for n in names]
    now[0] += timedelta(hours=2)
    assert (send().json()["study_id"], send().json()["status"]) == (study_id, "paused")


def test_the_same_key_and_spec_get_the_same_study(client: TestClient, engine: Engine) -> None:
    first = client.post(URL, json=SPEC, headers={"Idempotency-Key": "run 1"})
    again = client.post(URL, json=SPEC, headers={"Idempotency-Key": "run 1"})
    assert again.status_code == 202
    assert again.headers["location"] == first.headers["location"]
    other = submit(client, Idempotency_Key="run 2")
    assert other != first.json()["study_id"]
    with reading(engine) as session:
        assert session.scalar(select(func.count()).select_from(Study)) == 2


def test_how_a_spec_is_written_makes_no_difference_to_its_key(client: TestClient) -> None:
    first = submit(client, Idempotency_Key="k")
    written = [
        {**dict(reversed(SPEC.items())), "x-note": "tried on Monday"},
        {**SPEC, "tasks": {"kind": "sinusoid", "k_shot": 10, "metric": "mse"}},
        client.get(f"{URL}/{first}").json()["spec"],
    ]
    assert {submit(client, spec, Idempotency_Key="k") for spec in written} == {first}


def test_a_key_of_an_earlier_version_with_other_defaults_is_still_of_its_study(
    client: TestClient, engine: Engine
) -> None:
    first = submit(client, Idempotency_Key="k")
    with transaction(engine) as session:  # as it was before specs said their metric
        study = session.get_one(Study, first)
        spec = json.loads(json.dumps(study.spec))
        del spec["tasks"]["metric"]
        study.spec, study.spec_sha256 = spec, digest_of(spec)
        session.get_one(IdempotencyKey, ("default", "k")).body_sha256 = study.spec_sha256
    assert submit(client, Idempotency_Key="k") == first
    response = client.post(URL, json={**SPEC, "seed": 2}, headers={"Idempotency-Key": "k"})
    assert_problem(response, 422, "idempotency-conflict")


def test_a_key_is_of_what_was_sent_whatever_that_means_by_now(
    client: TestClient, engine: Engine
) -> None:
    first = submit(client, Idempotency_Key="k")
    with transaction(engine) as session:  # as if defaults, or what a name means, had changed
        study = session.get_one(Study, first)
        study.spec = {**study.spec, "seed": 77}
    assert submit(client, Idempotency_Key="k") == first


def test_the_same_key_with_another_spec_is_refused(client: TestClient) -> None:
    submit(client, Idempotency_Key="k")
    response = client.post(URL, json={**SPEC, "seed": 2}, headers={"Idempotency-Key": "k"})
    assert_problem(response, 422, "idempotency-conflict")


@pytest.mark.parametrize("key", ["x" * 256, "", "caf\xe9"])
def test_a_key_that_is_no_key_is_refused(client: TestClient, key: str) -> None:
    response = client.post(URL, json=SPEC, headers={"Idempotency-Key": key.encode("latin-1")})
    problem = assert_problem(response, 422, "invalid-request")
    assert problem["errors"][0]["field"] == "header.Idempotency-Key"


def test_one_key_at_the_same_moment_makes_one_study(client: TestClient, engine: Engine) -> None:
    key = {"Idempotency-Key": "same moment"}
    answers = at_once(4, lambda: client.post(URL, json=SPEC, headers=key))
    assert [answer.status_code for answer in answers] == [202] * 4
    assert len({answer.json()["study_id"] for answer in answers}) == 1
    with reading(engine) as session:
        assert session.scalar(select(func.count()).select_from(Study)) == 1


def test_an_algorithm_that_cannot_do_the_tasks_is_refused_with_those_that_can(
    client: TestClient,
) -> None:
    spec = {**SPEC, "branches": [{"algorithm": "protonet"}]}
    problem = assert_problem(client.post(URL, json=spec), 422, "invalid-spec")
    said = problem["detail"]
    assert "branch protonet: algorithm protonet is for tasks of classes, and these" in said
    fitting = said.split("take one of ")[1].split(", ")
    assert {"maml", "reptile"} <= set(fitting) and "protonet" not in fitting


def test_a_broken_spec_is_refused_by_field(client: TestClient) -> None:
    spec = json.loads(json.dumps(SPEC))
    spec["branches"][0]["space"]["inner_lr"] = -1
    problem = assert_problem(client.post(URL, json=spec), 422, "invalid-spec")
    assert problem["errors"][0]["field"] == "branches[0].space.inner_lr"
    assert "must be in" in problem["errors"][0]["message"]


@pytest.mark.parametrize(
    ("body", "status"), [*((trap, 422) for trap in TRAPS), (b"x" * (1 << 21), 413)]
)
def test_no_body_is_a_server_error(client: TestClient, body: bytes, status: int) -> None:
    response = client.post(URL, content=body, headers={"Content-Type": "application/json"})
    assert response.status_code == status
    assert response.headers["content-type"] == "application/problem+json"
    assert "NaN" not in json.dumps(response.json(), allow_nan=False) or response.json()["detail"]


def test_a_body_that_grows_too_large_is_refused_without_an_announced_length(
    client: TestClient,
) -> None:
    chunks = (b" " * 65536 for _ in range(64))
    response = client.post(URL, content=chunks, headers={"Content-Type": "application/json"})
    assert_problem(response, 413, "body-too-large")


@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Type": "text/plain"},
        {"Content-Type": "application/x-www-form-urlencoded"},
        {"Content-Type": "application/json", "Content-Encoding": "gzip"},
    ],
)
def test_other_types_of_body_are_refused(client: TestClient, headers: dict[str, str]) -> None:
    assert_problem(client.post(URL, content=b"{}", headers=headers), 415, "unsupported-media-type")


def test_verbs_move_a_study_and_may_be_repeated(client: TestClient) -> None:
    study_id = submit(client)
    for verb, status in [("pause", "paused"), ("resume", "queued"), ("cancel", "cancelled")]:
        for _ in range(2):
            response = client.post(f"{URL}/{study_id}:{verb}")
            assert response.status_code == 200
            assert response.json()["status"] == status
    assert response.json()["version"] == 4
    assert response.json()["finished_at"] is not None
    for verb in ("pause", "resume"):
        problem = assert_problem(
            client.post(f"{URL}/{study_id}:{verb}"), 409, "transition-impossible"
        )
        assert "cancelled" in problem["detail"]


def test_a_completed_study_cannot_be_cancelled(client: TestClient, engine: Engine) -> None:
    with transaction(engine) as session:
        add_study(session, status="completed")
    response = client.post(f"{URL}/{'a' * 32}:cancel")
    problem = assert_problem(response, 409, "transition-impossible")
    assert "completed" in problem["detail"] and "paused, queued, running" in problem["detail"]


@pytest.mark.parametrize("study_id", ["f" * 32, "x", "%00", "..%2F..", "a" * 5000])
def test_an_unknown_study_is_not_found(client: TestClient, study_id: str) -> None:
    for path in ("", "/trials", "/events", "/result", "/trials/0/reports"):
        response = client.get(f"{URL}/{study_id}{path}")
        assert response.status_code == 404
        assert response.headers["content-type"] == "application/problem+json"


def test_pages_cover_every_study_once_newest_first(client: TestClient) -> None:
    made = [submit(client) for _ in range(7)]
    found, url = [], f"{URL}?limit=3"
    while url:
        response = client.get(url)
        found += [study["study_id"] for study in response.json()["items"]]
        url = response.links.get("next", {}).get("url")
    assert found == made[::-1]


def test_studies_can_be_listed_by_status(client: TestClient) -> None:
    kept, cancelled = submit(client), submit(client)
    client.post(f"{URL}/{cancelled}:cancel")
    found = client.get(URL, params={"status": "queued"}).json()["items"]
    assert [study["study_id"] for study in found] == [kept]
    assert_problem(client.get(URL, params={"status": "x"}), 422, "invalid-request")


@pytest.mark.parametrize("cursor", ["x", "WzFd", "Wzk5OTk5OTk5OTk5OTk5OTldCg", "[]", "bnVsbA"])
def test_a_cursor_that_is_none_of_ours_is_refused(client: TestClient, cursor: str) -> None:
    assert_problem(client.get(URL, params={"cursor": cursor}), 422, "invalid-cursor")


def test_looks_at_the_same_sealed_tasks_are_counted_over_studies(
    client: TestClient, engine: Engine
) -> None:
    more_tasks = {**SPEC, "verdict": {"tasks": 500}}
    first, same, other = (submit(client, spec) for spec in (SPEC, more_tasks, {**SPEC, "seed": 2}))
    with transaction(engine) as session:
        for study_id, looks in ((first, 6), (same, 2), (other, 1)):
            session.get_one(Study, study_id).sealed_looks = looks
    found = {one["study_id"]: one["sealed_looks"] for one in client.get(URL).json()["items"]}
    assert found == {first: 8, same: 8, other: 1}


def test_counts_and_best_trials_are_shown(client: TestClient, engine: Engine) -> None:
    with transaction(engine) as session:
        add_study(session)
        add_trial(session, 0, "pruned", meta_iteration=30, score=0.1)
        add_trial(session, 1, "completed", meta_iteration=90, score=0.5)
        add_trial(session, 2, "completed", meta_iteration=90, score=0.4)
        add_trial(session, 3, "diverged", meta_iteration=90, score=0.01)
        for number, scores in ((4, [2.0]), (5, [3.0, 2.5]), (7, [3.0, 2.6])):
            trial = add_trial(session, number, branch="reptile")
            for rung, score in zip((10, 30), scores, strict=False):
                add_report(session, trial, rung, score)
        add_trial(session, 6, "completed", role="verdict", meta_iteration=90, score=0.001)
    study = client.get(URL).json()["items"][0]
    counts = {status: count for status, count in study["trials"].items() if count}
    assert counts == {"completed": 2, "pruned": 1, "diverged": 1, "running": 3}
    assert study["verdict_trials"]["completed"] == 1
    assert study["branches"]["maml"]["best"]["trial_number"] == 2
    best = study["branches"]["reptile"]["best"]
    assert (best["trial_number"], best["rung"], best["score"]) == (5, 30, 2.5)
    assert study["branches"]["maml"]["trials"] == 4


def test_of_equal_scores_the_first_trial_is_the_best_and_each_study_has_its_own(
    client: TestClient, engine: Engine
) -> None:
    with transaction(engine) as session:
        for study_id, best in (("a" * 32, 0.5), ("b" * 32, 0.25)):
            add_study(session, study_id)
            for number in (0, 2, 4):
                score = best if number else 0.75
                add_trial(session, number, "completed", study_id=study_id, score=score)
            for number in (1, 3):
                trial = add_trial(session, number, study_id=study_id, branch="reptile")
                add_report(session, trial, 10, 0.25)
    shown = {study["study_id"]: study for study in client.get(URL).json()["items"]}
    for study_id, best in (("a" * 32, 0.5), ("b" * 32, 0.25)):
        branches = shown[study_id]["branches"]
        assert branches["maml"]["best"]["trial_number"] == 2
        assert branches["maml"]["best"]["score"] == best
        assert branches["reptile"]["best"]["trial_number"] == 1


def test_a_study_says_how_busy_its_workers_are(client: TestClient, engine: Engine) -> None:
    with transaction(engine) as session:
        add_study(session)
    assert client.get(f"{URL}/{'a' * 32}").json()["busy_share"] is None
    with transaction(engine) as session:
        add_segment(session)
    assert client.get(f"{URL}/{'a' * 32}").json()["busy_share"] == 0.8


def test_waiting_returns_when_the_study_ends(client: TestClient) -> None:
    study_id = submit(client)
    timer = threading.Timer(0.3, client.post, [f"{URL}/{study_id}:cancel"])
    timer.start()
    response = client.get(f"{URL}/{study_id}", params={"wait": 20})
    timer.join()
    assert response.json()["status"] == "cancelled"
    assert response.elapsed.total_seconds() < 10


def test_a_result_comes_when_it_is_there(client: TestClient, engine: Engine) -> None:
    study_id = submit(client)
    response = client.get(f"{URL}/{study_id}/result")
    assert_problem(response, 404, "result-not-ready")
    assert response.headers["retry-after"]
    client.post(f"{URL}/{study_id}:cancel")
    problem = assert_problem(client.get(f"{URL}/{study_id}/result"), 409, "result-impossible")
    assert "cancelled" in problem["detail"]
    with transaction(engine) as session:
        add_study(session, "b" * 32, status="failed", error="every trial diverged")
    problem = assert_problem(client.get(f"{URL}/{'b' * 32}/result"), 409, "result-impossible")
    assert "every trial diverged" in problem["detail"]


def test_a_key_has_a_most_of_queued_studies(app: FastAPI, client: TestClient) -> None:
    context = app.state.context
    app.state.context = dataclasses.replace(context, queued_per_key=2)
    headers = {"Idempotency-Key": "once"}
    first = client.post("/api/v1/studies", json=SPEC, headers=headers).json()["study_id"]
    assert client.post("/api/v1/studies", json=SPEC).status_code == 202
    refused = client.post("/api/v1/studies", json=SPEC)
    assert (refused.status_code, refused.json()["code"]) == (429, "too-many-studies")
    assert "METAOPT_QUEUED_PER_KEY" in refused.json()["detail"]
    assert refused.headers["retry-after"] == "5"
    again = client.post("/api/v1/studies", json=SPEC, headers=headers)
    assert again.json()["study_id"] == first  # what was accepted stays accepted
    elsewhere = client.post("/api/v1/studies", json=SPEC, headers={"Metaopt-Project": "another"})
    assert elsewhere.status_code == 429  # whatever project it asks for
    client.post(f"/api/v1/studies/{first}:pause")
    assert client.post("/api/v1/studies", json=SPEC).status_code == 202
    resumed = client.post(f"/api/v1/studies/{first}:resume")  # it would be a third
    assert (resumed.status_code, resumed.json()["code"]) == (429, "too-many-studies")
    assert client.get(f"/api/v1/studies/{first}").json()["status"] == "paused"
    newest = client.get("/api/v1/studies").json()["items"][0]["study_id"]
    client.post(f"/api/v1/studies/{newest}:cancel")
    assert client.post(f"/api/v1/studies/{first}:resume").json()["status"] == "queued"
