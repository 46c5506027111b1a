"""Optuna Dashboard, mounted behind our routes."""

import subprocess
import sys
from collections.abc import Iterator

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from service.dashboard.mount import mount_dashboard
from service.db.engine import transaction
from service.mirror.sync import Mirror
from tests.fakes.gate import opened
from tests.fakes.local import local_client
from tests.fakes.rows import add_report, add_study, add_trial, end_trial
from tests.fakes.specs import SPEC


@pytest.fixture
def mirrored(engine, database_url) -> None:
    """Mirror a study with one running trial."""
    with transaction(engine) as session:
        add_study(session)
        add_report(session, add_trial(session, 0), 10, 4.0)
    mirror = Mirror(database_url)
    mirror.sync()
    mirror.close()


@pytest.fixture
def dashboard(database_url, request) -> Iterator[TestClient]:
    """Return a client of an application with a route of its own and the dashboard."""
    app = opened(FastAPI())
    app.get("/api/v1/studies")(lambda: {"ours": True})
    mounted = mount_dashboard(app, database_url, writable=getattr(request, "param", False))
    with local_client(app) as client:
        yield client
    mounted.close()


def test_studies_trials_and_scores_are_shown(mirrored, dashboard):
    summaries = dashboard.get("/api/studies").json()["study_summaries"]
    assert [s["study_name"] for s in summaries] == [
        "sinusoid · maml · aaaaaaaa",
        "sinusoid · reptile · aaaaaaaa",
    ]
    detail = dashboard.get(f"/api/studies/{summaries[0]['study_id']}").json()
    assert detail["trials"][0]["intermediate_values"] == [{"step": 10, "value": 4.0}]
    assert "Study `aaaa" in detail["note"]["body"]


def test_objectives_and_feasibility_are_shown(engine, database_url, dashboard):
    goals = {
        "objectives": ["score", "adaptation_examples"],
        "constraints": {"diverged_share": 0.25},
    }
    with transaction(engine) as session:
        add_study(session, spec={**SPEC, **goals})
        for number, share in enumerate([0.0, 0.5]):
            trial = add_trial(session, number)
            add_report(session, trial, 90, 1.0)
            metrics = {"adaptation_examples": 5.0 + number, "diverged_share": share}
            end_trial(session, trial, "completed", metrics=metrics)
    mirror = Mirror(database_url)
    mirror.sync()
    mirror.close()
    summary = dashboard.get("/api/studies").json()["study_summaries"][0]
    detail = dashboard.get(f"/api/studies/{summary['study_id']}").json()
    assert detail["directions"] == ["minimize", "minimize"]
    assert detail["objective_names"] == ["mse", "adaptation_examples"]
    assert [trial["values"] for trial in detail["trials"]] == [[1.0, 5.0], [1.0, 6.0]]
    assert [trial["constraints"] for trial in detail["trials"]] == [[-0.25], [0.25]]


def test_the_page_and_its_script_are_served_beside_our_routes(mirrored, dashboard):
    page = dashboard.get("/dashboard")
    assert page.status_code == 200 and "script-src" in page.headers["content-security-policy"]
    assert page.headers["x-content-type-options"] == "nosniff"
    assert page.headers["x-frame-options"] == "SAMEORIGIN"
    assert dashboard.get("/static/bundle.js").status_code == 200
    assert dashboard.get("/api/v1/studies").json() == {"ours": True}


def test_other_paths_are_not_found(dashboard):
    for path in ["/nothing", "/api/v1/nothing", "/artifacts/1/1", "/api/llm/x"]:
        assert dashboard.get(path).json() == {"detail": "Not Found"}


NONSENSE = [
    "/static/nothing.js", "/static/", "/static/..%2f..%2fsetup.py", "/static/%00", "/static/%ff",
    "/static/" + "a" * 300, "/static/" + "a/" * 2000, "/static/img/", "/api/meta/x",
    "/api/studies/7", "/api/studies/x", "/api/studies/-1", "/api/studies/%ff",
    "/api/studies/1?after=x",
    "/api/studies/2147483648", "/api/studies/99999999999999999999",
    "/api/studies/99999999999999999999/param_importances", "/api/studies/7/plot/contour",
    "/api/studies/1/plot/nothing", "/csv/7", "/csv/x", "/csv/%00", "/csv/99999999999999999999",
    "/api/trials/1",
    f"/api/studies/{'0' * 5000}", f"/api/studies/{'0' * 5000}1/plot/contour", f"/csv/{'0' * 5000}1",
]  # fmt: skip


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("encoding", [None, "gzip"])
def test_what_the_dashboard_does_not_have_is_no_error_of_ours(
    mirrored, database_url, client, method, encoding
):
    del client.headers["accept-encoding"]  # as curl, which says nothing of it
    said = {} if encoding is None else {"accept-encoding": encoding}
    wrong = {}
    for path in NONSENSE:
        answer = client.request(method, path, headers=said)
        is_json = "json" in answer.headers.get("content-type", "")
        if not (400 <= answer.status_code < 500 and is_json):
            wrong[path] = answer.status_code, answer.text
    assert wrong == {}
    assert client.request(method, "/static/bundle.js", headers=said).status_code == 200


def test_changes_are_refused_with_the_way_to_allow_them(mirrored, dashboard):
    for method in ["POST", "PUT", "DELETE", "PATCH"]:
        answer = dashboard.request(method, "/api/studies/1")
        assert answer.status_code == 405
        assert answer.headers["allow"] == "GET, HEAD, OPTIONS"
        assert "METAOPT_DASHBOARD_WRITABLE" in answer.json()["detail"]
    assert len(dashboard.get("/api/studies").json()["study_summaries"]) == 2


@pytest.mark.parametrize("dashboard", [True], indirect=True)
def test_a_writable_dashboard_takes_changes(mirrored, dashboard):
    study_id = dashboard.get("/api/studies").json()["study_summaries"][0]["study_id"]
    note = dashboard.get(f"/api/studies/{study_id}").json()["note"]
    body = {"body": "mine", "version": note["version"] + 1}
    assert dashboard.put(f"/api/studies/{study_id}/note", json=body).status_code == 204
    assert dashboard.get(f"/api/studies/{study_id}").json()["note"]["body"] == "mine"


def test_without_tables_the_answer_says_that_they_cannot_be_read(sqlite_url, tmp_path):
    (tmp_path / "database").mkdir()
    app = opened(FastAPI())
    mounted = mount_dashboard(app, sqlite_url, writable=False)
    answer = local_client(app).get("/api/studies")
    mounted.close()
    assert answer.status_code == 503
    assert "Optuna's tables cannot be read" in answer.json()["detail"]


def test_serving_the_dashboard_loads_no_torch():
    code = (
        "import sys, service.dashboard.mount, service.dashboard.page\n"
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], timeout=300).returncode == 0
