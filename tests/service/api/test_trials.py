"""Trials and reports over HTTP."""

from fastapi.testclient import TestClient
from sqlalchemy import Engine

from service.db.engine import transaction
from service.db.tables import Ask, Report
from tests.fakes.rows import NOON, add_study, add_trial
from tests.fakes.specs import SPEC

URL = f"/api/v1/studies/{'a' * 32}/trials"


def test_pages_cover_every_trial_once_by_number(client: TestClient, engine: Engine) -> None:
    with transaction(engine) as session:
        add_study(session)
        for number in range(5):
            add_trial(session, number)
    found, url = [], f"{URL}?limit=2"
    while url:
        response = client.get(url)
        found += [trial["trial_number"] for trial in response.json()["items"]]
        url = response.links.get("next", {}).get("url")
    assert found == [0, 1, 2, 3, 4]


def test_trials_can_be_listed_by_status_and_role(client: TestClient, engine: Engine) -> None:
    with transaction(engine) as session:
        add_study(session)
        add_trial(session, 0, "completed")
        add_trial(session, 1, "running")
        add_trial(session, 2, "completed", role="verdict", source_trial_number=0)
    numbers = {
        (status, role): [
            trial["trial_number"]
            for trial in client.get(URL, params={"status": status, "role": role}).json()["items"]
        ]
        for status in ("completed", "running")
        for role in ("search", "verdict")
    }
    assert numbers == {
        ("completed", "search"): [0],
        ("completed", "verdict"): [2],
        ("running", "search"): [1],
        ("running", "verdict"): [],
    }


def test_reports_come_by_meta_iteration_with_scores_if_asked_for(
    client: TestClient, engine: Engine
) -> None:
    with transaction(engine) as session:
        add_study(session)
        trial = add_trial(session, 0)
        for meta_iteration in (30, 10):
            session.add(_report(trial.trial_id, meta_iteration))
    reports = client.get(f"{URL}/0/reports").json()["items"]
    assert [report["meta_iteration"] for report in reports] == [10, 30]
    assert reports[0]["scores"] is None
    assert reports[0]["curve"] == [2.0, 1.0]
    first = client.get(f"{URL}/0/reports", params={"scores": True, "limit": 1}).json()
    assert first["items"][0]["scores"] == [1.0, 3.0]
    rest = client.get(f"{URL}/0/reports", params={"cursor": first["next_cursor"]}).json()
    assert [report["meta_iteration"] for report in rest["items"]] == [30]


def test_a_trial_number_out_of_any_range_is_refused(client: TestClient, engine: Engine) -> None:
    with transaction(engine) as session:
        add_study(session)
    assert client.get(f"{URL}/0/reports").json()["code"] == "trial-not-found"
    for number in ("-1", "x", str(2**31), "9" * 5000):
        response = client.get(f"{URL}/{number}/reports")
        assert response.status_code == 422
        assert response.json()["errors"][0]["field"] == "path.trial_number"


def test_a_branchs_log_comes_in_its_order_page_by_page(client: TestClient, engine: Engine) -> None:
    with transaction(engine) as session:
        study = add_study(session)
        for number in range(3):
            of_trial = {"study_id": study.study_id, "branch": "maml", "trial_number": number}
            session.add(Ask(**of_trial, sequence=2 * number, kind="ask", params={"a": 0.1}))
            told = {"outcome": "completed", "value": 0.5, "meta_iteration": 90}
            session.add(Ask(**of_trial, sequence=2 * number + 1, kind="tell", **told))
    url = f"/api/v1/studies/{'a' * 32}/asks"
    found, page = [], f"{url}?branch=maml&limit=4"
    while page:
        response = client.get(page)
        found += response.json()["items"]
        page = response.links.get("next", {}).get("url")
    assert [(one["sequence"], one["kind"]) for one in found] == [
        (sequence, ("ask", "tell")[sequence % 2]) for sequence in range(6)
    ]
    assert found[0]["params"] == {"a": 0.1} and found[1]["value"] == 0.5
    assert client.get(f"{url}?branch=reptile").json()["items"] == []


def test_a_log_of_no_branch_is_refused_and_the_branches_are_named(
    client: TestClient, engine: Engine
) -> None:
    maml = {**SPEC, "branches": SPEC["branches"][:1]}
    with transaction(engine) as session:
        add_study(session, spec=maml)
    for branch, rule in (
        ("reptile", "must be a branch of the study (maml), got 'reptile'"),
        ("a" * 33, "must have at most 32 characters"),
        ("%00", "must be a branch of the study (maml), got '\\x00'"),
    ):
        problem = client.get(f"/api/v1/studies/{'a' * 32}/asks?branch={branch}").json()
        assert problem["errors"][0]["field"] == "query.branch"
        assert rule in problem["errors"][0]["message"]


def _report(trial_id: str, meta_iteration: int) -> Report:
    numbers = dict.fromkeys(
        ("low", "high", "median", "trimmed_mean", "standard_deviation", "device_seconds"), 1.0
    )
    return Report(
        trial_id=trial_id,
        meta_iteration=meta_iteration,
        score=2.0,
        stderr=0.1,
        diverged_share=0.0,
        scores=[1.0, 3.0],
        curve=[2.0, 1.0],
        transductive=True,
        attempt=1,
        epoch=1,
        created_at=NOON,
        **numbers,
    )
