"""Baselines and weights over HTTP, on both databases."""

import hashlib
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine

from metaopt.algorithms.registry import complete
from service.db.engine import transaction
from service.db.tables import Study
from tests.fakes.rows import (
    add_baseline,
    add_report,
    add_study,
    add_trial,
    add_winner,
    end_trial,
    finish_study,
)
from tests.fakes.specs import SPEC
from tests.service.api.at_once import at_once
from tests.service.api.test_studies import assert_problem, submit

URL = "/api/v1/baselines"
STUDY = "a" * 32


@pytest.fixture
def studied(engine: Engine) -> None:
    """Write a completed study: one finalist, trained afresh twice."""
    with transaction(engine) as session:
        study = add_study(session)
        end_trial(session, add_trial(session, 0), "completed")
        for number in (8, 9):
            fresh = add_trial(session, number, role="verdict", source_trial_number=0)
            add_report(session, fresh, 90, 0.6 + number / 100)
            end_trial(session, fresh, "completed")
        finish_study(session, study, 0)
        add_winner(session, study, b"a model")


@pytest.mark.usefixtures("studied")
def test_a_study_becomes_the_first_version_and_then_the_next(client: TestClient) -> None:
    for version in (1, 2):
        answer = client.post(f"{URL}/main:promote", json={"study_id": STUDY})
        assert answer.status_code == 201
        assert answer.headers["Location"] == f"{URL}/main?version={version}"
        found = answer.json()
        assert (found["name"], found["version"], found["study_id"]) == ("main", version, STUDY)
    assert found["judged_by"] == "verdict"
    assert (found["branch"], found["algorithm"]) == ("maml", "maml")
    assert found["scores"] == [[pytest.approx(0.68)], [pytest.approx(0.69)]]
    assert found["score"]["value"] == pytest.approx(0.685)
    assert found["weights_sha256"] == hashlib.sha256(b"a model").hexdigest()
    assert "without gates" in found["origin"]
    assert [one["version"] for one in client.get(f"{URL}/main/versions").json()["items"]] == [2, 1]
    [listed] = client.get(URL).json()["items"]
    assert listed["version"] == 2 and listed["scores"] is None
    assert client.get(f"{URL}/main").json() == found
    assert client.get(f"{URL}/main?version=1").json()["version"] == 1


@pytest.mark.usefixtures("studied")
def test_a_version_keeps_the_rungs_that_its_best_was_chosen_among(
    client: TestClient, engine: Engine
) -> None:
    with transaction(engine) as session:
        study = session.get_one(Study, STUDY)
        kept = {**study.spec.get("evaluation", {}), "keep": "best"}
        study.spec = {**study.spec, "evaluation": kept}
    found = client.post(f"{URL}/main:promote", json={"study_id": STUDY}).json()
    assert found["selected_at"] == [10, 30, 90]
    study_id = submit(client, gated("main"))
    spec = client.get(f"/api/v1/studies/{study_id}").json()["spec"]
    assert spec["gates"]["incumbent"]["selected_at"] == [10, 30, 90]
    assert spec["evaluation"]["keep"] == "last"


@pytest.mark.parametrize("version", [True, "1", 1.0, 0])
def test_a_version_to_roll_back_to_is_a_whole_number(client: TestClient, version: object) -> None:
    answer = client.post(f"{URL}/main:roll-back", json={"version": version})
    assert_problem(answer, 422, "invalid-request")


def test_rolling_back_adds_a_version_and_changes_none(client: TestClient, engine: Engine) -> None:
    with transaction(engine) as session:
        for origin in ("first", "second", "third"):
            add_baseline(session, origin=origin, device=origin)
    before = client.get(f"{URL}/main/versions").json()["items"]
    again = client.post(f"{URL}/main:roll-back", json={}).json()
    assert (again["version"], again["device"]) == (4, "second")
    assert again["origin"] == "version 2 again, after 3"
    oldest = client.post(f"{URL}/main:roll-back", json={"version": 1}).json()
    assert (oldest["version"], oldest["device"]) == (5, "first")
    assert client.get(f"{URL}/main/versions").json()["items"][2:] == before


@pytest.mark.usefixtures("studied")
def test_two_at_once_get_two_versions(client: TestClient) -> None:
    answers = at_once(2, lambda: client.post(f"{URL}/main:promote", json={"study_id": STUDY}))
    assert [answer.status_code for answer in answers] == [201, 201]
    assert [one["version"] for one in client.get(f"{URL}/main/versions").json()["items"]] == [2, 1]


def test_what_is_not_there_is_a_problem(client: TestClient, engine: Engine) -> None:
    for path in ("main", "main/versions", "main?version=3"):
        problem = assert_problem(client.get(f"{URL}/{path}"), 404, "baseline-not-found")
        assert "there is no baseline main" in problem["detail"]
    with transaction(engine) as session:
        add_baseline(session)
    assert_problem(client.post(f"{URL}/main:roll-back", json={}), 404, "baseline-not-found")
    assert_problem(
        client.post(f"{URL}/main:promote", json={"study_id": "b" * 32}), 404, "study-not-found"
    )
    for body in ({}, {"study_id": 3}, {"study_id": STUDY, "more": 1}):
        assert_problem(client.post(f"{URL}/main:promote", json=body), 422, "invalid-request")
    problem = assert_problem(client.get(f"{URL}/no%20name"), 422, "invalid-request")
    assert problem["errors"][0]["message"].startswith("may not have a space, character 3 of 'no")


def test_only_a_completed_study_is_promoted(client: TestClient, engine: Engine) -> None:
    with transaction(engine) as session:
        add_study(session)
        add_study(session, "b" * 32, status="failed", error="no trial completed")
    for study_id, status, code in (
        (STUDY, 404, "result-not-ready"),
        ("b" * 32, 409, "result-impossible"),
    ):
        answer = client.post(f"{URL}/main:promote", json={"study_id": study_id})
        assert_problem(answer, status, code)


@pytest.mark.usefixtures("studied")
def test_the_winner_s_weights_are_sent_as_they_were_written(
    client: TestClient, engine: Engine
) -> None:
    answer = client.get(f"/api/v1/studies/{STUDY}/weights")
    assert (answer.status_code, answer.content) == (200, b"a model")
    assert answer.headers["ETag"] == f'"{hashlib.sha256(b"a model").hexdigest()}"'
    assert "attachment" in answer.headers["Content-Disposition"]
    with transaction(engine) as session:
        old = add_study(session, "b" * 32)
        finish_study(session, old, 0)
        add_study(session, "c" * 32)
    for study_id, code in (("b" * 32, "weights-not-found"), ("c" * 32, "result-not-ready")):
        assert_problem(client.get(f"/api/v1/studies/{study_id}/weights"), 404, code)


@pytest.mark.usefixtures("studied")
def test_a_baseline_s_weights_outlive_its_study(client: TestClient, engine: Engine) -> None:
    client.post(f"{URL}/main:promote", json={"study_id": STUDY})
    with transaction(engine) as session:
        add_baseline(session)  # its weights were never kept
        session.delete(session.get_one(Study, STUDY))
    kept = client.get(f"{URL}/main/weights?version=1")
    assert (kept.status_code, kept.content) == (200, b"a model")
    assert kept.headers["ETag"] == f'"{hashlib.sha256(b"a model").hexdigest()}"'
    assert_problem(client.get(f"{URL}/main/weights"), 404, "weights-not-found")
    assert_problem(client.get(f"{URL}/main/weights?version=9"), 404, "baseline-not-found")


def gated(baseline: str, **more: Any) -> dict[str, Any]:
    return {**SPEC, "gates": {"rules": ["no-worse:0.1"], "baseline": baseline, **more}}


@pytest.mark.parametrize("label", ["main", "main@2"])
def test_a_baseline_s_name_becomes_its_configuration(
    client: TestClient, engine: Engine, label: str
) -> None:
    with transaction(engine) as session:
        add_baseline(session)
        add_baseline(session, meta_iterations=40)
    study_id = submit(client, gated(label))
    gates = client.get(f"/api/v1/studies/{study_id}").json()["spec"]["gates"]
    assert gates["baseline"] == "main@2"
    incumbent = gates["incumbent"]
    assert (incumbent["name"], incumbent["version"], incumbent["branch"]) == ("main", 2, "maml")
    assert incumbent["meta_iterations"] == 40
    again = submit(client, client.get(f"/api/v1/studies/{study_id}").json()["spec"])
    assert client.get(f"/api/v1/studies/{again}").json()["spec"]["gates"] == gates


@pytest.mark.parametrize(
    ("document", "says"),
    [
        (gated("other"), "there is no baseline other: make one"),
        (gated("main@7"), "there is no baseline main@7"),
        (gated("other@1", promote="pass"), "without a version"),
        ({**gated("main"), "tasks": {"kind": "linear"}}, "other tasks (kind"),
        ({**gated("main"), "tasks": {"kind": "sinusoid", "k_shot": 3}}, "(k_shot of `tasks`"),
        ({**gated("main"), "branches": [{"algorithm": "reptile"}]}, "configuration of maml"),
        ({**SPEC, "gates": {"rules": ["better"]}}, "compares with a baseline: name one"),
        ({**SPEC, "gates": {"rules": ["best"]}}, "a gate must be better, no-worse:DELTA"),
        ({**SPEC, "gates": {"rules": ["no-worse:x"]}}, "a number >= 0, got 'x'"),
        ({**SPEC, "gates": {"rules": ["divergence:2"]}}, "in [0, 1], got '2'"),
        ({**SPEC, "gates": {"rules": ["divergence:0"]}}, "cannot be shown by any number of tasks"),
        ({**SPEC, "gates": {"rules": ["cost:time<=3"]}}, "METRIC one of adaptation_examples"),
        ({**SPEC, "gates": {"baseline": "main"}}, "needs a rule"),
        (
            {**SPEC, "gates": {"rules": ["at-least:1"], "tasks": 9, "most_tasks": 8}},
            "at least gates.tasks = 9, got 8",
        ),
        ({**SPEC, "warm_start": {"baselines": ["other"]}}, "must be the name of a baseline"),
    ],
)
def test_gates_that_cannot_be_are_refused(
    client: TestClient, engine: Engine, document: dict[str, Any], says: str
) -> None:
    with transaction(engine) as session:
        add_baseline(session)
    problem = assert_problem(client.post("/api/v1/studies", json=document), 422, "invalid-spec")
    assert says in problem["detail"]


def test_the_first_version_may_be_missing_if_this_study_is_to_become_it(
    client: TestClient,
) -> None:
    study_id = submit(client, gated("main", promote="pass"))
    gates = client.get(f"/api/v1/studies/{study_id}").json()["spec"]["gates"]
    assert (gates["baseline"], gates["incumbent"]) == ("main", None)


def test_a_search_begins_with_a_baseline(client: TestClient, engine: Engine) -> None:
    with transaction(engine) as session:
        add_baseline(session)
    study_id = submit(client, {**SPEC, "warm_start": {"baselines": ["main"]}})
    [point] = client.get(f"/api/v1/studies/{study_id}").json()["spec"]["warm_start"]["trials"]
    assert point["source"] == "baseline main@1" and point["branch"] == "maml"
    assert point["params"] == {"inner_lr": 0.01, "inner_steps": 2, "order": "second"}


def incumbent(**changes: Any) -> dict[str, Any]:
    given = {"name": "main", "version": 1, "branch": "maml", "params": {"inner_lr": 0.01}}
    return {**given, "model": {"kind": "mlp"}, "meta_iterations": 90, **changes}


@pytest.mark.parametrize(
    ("baseline", "given", "says"),
    [
        ("other", incumbent(), "gates.incumbent is main@1, and gates.baseline is other"),
        ("main@2", incumbent(), "gates.incumbent is main@1, and gates.baseline is main@2"),
        ("main", incumbent(branch="nope"), "this study has no such branch"),
        ("main", incumbent(params={"colour": 1.0}), "cannot be trained by this version"),
        ("main", incumbent(first_order_until=90), "to its end or longer"),
    ],
)
def test_an_incumbent_that_is_none_is_refused(
    client: TestClient, baseline: str, given: dict[str, Any], says: str
) -> None:
    document = gated(baseline, incumbent=given)
    problem = assert_problem(client.post("/api/v1/studies", json=document), 422, "invalid-spec")
    assert says in problem["detail"]


def test_an_older_incumbent_gets_the_defaults_of_newer_parameters(client: TestClient) -> None:
    study_id = submit(client, gated("main", incumbent=incumbent()))
    found = client.get(f"/api/v1/studies/{study_id}").json()["spec"]["gates"]["incumbent"]
    assert found["params"] == complete("maml", {"inner_lr": 0.01})
