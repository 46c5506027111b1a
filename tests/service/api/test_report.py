"""The report and the exports over HTTP."""

import csv
import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine

from service.db.engine import transaction
from service.db.tables import Report, Study
from tests.fakes.rows import add_report, add_segment, add_study, add_trial
from tests.fakes.seen import EVIL, STUDY, TRIALS, add_seen_study, complete

URL = f"/api/v1/studies/{STUDY}"


@pytest.fixture
def seen(engine: Engine) -> None:
    with transaction(engine) as session:
        complete(session, add_seen_study(session))


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text, newline="")))


@pytest.mark.usefixtures("seen")
def test_the_report_is_data_with_every_part(client: TestClient) -> None:
    report = client.get(f"{URL}/report").json()
    assert report["schema_version"] == 1
    assert report["absent"] == {"hardest": "no model of a winner is kept"}
    assert report["study"]["study_id"] == STUDY
    assert report["verdict"]["finalists"][0]["optimism"] == pytest.approx(0.15)
    assert len(report["learning_curves"]) == 11


def test_the_timeline_is_an_answer_of_its_own_and_a_part_of_the_report(
    client: TestClient, engine: Engine
) -> None:
    with transaction(engine) as session:
        add_study(session, status="running")
    assert client.get(f"{URL}/timeline").json()["slots"] == []
    assert client.get(f"{URL}/report").json()["timeline"] is None
    with transaction(engine) as session:
        add_segment(session)
        add_segment(session, program="compiling", slot="cpu:1")
    slots = client.get(f"{URL}/timeline").json()["slots"]
    assert [slot["slot"] for slot in slots] == ["cpu:0", "cpu:1"]
    assert slots[1]["seconds"] == {"compiling": 1.0}
    assert client.get(f"{URL}/report").json()["timeline"]["slots"] == slots
    assert "Timeline" in client.get(f"{URL}/report.html").text
    assert client.get("/api/v1/studies/" + "f" * 32 + "/timeline").status_code == 404


@pytest.mark.parametrize("status", ["queued", "running", "paused", "failed", "cancelled"])
def test_every_state_has_a_report(client: TestClient, engine: Engine, status: str) -> None:
    with transaction(engine) as session:
        add_study(session, status=status)
    for path, kind in (
        ("report", "application/json"),
        ("report.html", "text/html; charset=utf-8"),
        ("report.md", "text/markdown; charset=utf-8"),
    ):
        response = client.get(f"{URL}/{path}")
        assert (response.status_code, response.headers["content-type"]) == (200, kind)


@pytest.mark.usefixtures("seen")
def test_the_page_may_load_and_send_nothing(client: TestClient) -> None:
    policy = client.get(f"{URL}/report.html").headers["content-security-policy"]
    assert policy.startswith("default-src 'none'") and "connect-src" not in policy


@pytest.mark.parametrize("path", ["report", "report.html", "report.md", "export"])
def test_an_unknown_study_has_none(client: TestClient, path: str) -> None:
    response = client.get(f"/api/v1/studies/{'f' * 32}/{path}")
    assert response.status_code == 404
    assert response.json()["code"] == "study-not-found"


@pytest.mark.usefixtures("seen")
def test_trials_are_exported_one_row_each_with_parameters_as_columns(client: TestClient) -> None:
    response = client.get(f"{URL}/export")
    assert response.headers["content-type"].startswith("text/csv")
    assert response.headers["content-disposition"].startswith('attachment; filename="img-src')
    found = rows(response.text)
    assert len(found) == TRIALS + 1 + 4
    assert float(found[0]["params_inner_lr"]) == 0.002
    assert found[0]["params_order"] == "second" and found[0]["params_epsilon"] == ""
    assert found[TRIALS]["params_epsilon"] == "0.5"
    assert found[12]["cause"] == f"loss is nan {EVIL}"


@pytest.mark.usefixtures("seen")
def test_reports_are_exported_one_row_for_each_rung(client: TestClient) -> None:
    found = client.get(f"{URL}/export", params={"what": "reports", "format": "json"}).json()
    own = [row for row in found if row["trial_number"] == 0]
    assert [row["meta_iteration"] for row in own] == [10, 30, 90]
    assert own[0]["low"] < own[0]["score"] < own[0]["high"]
    assert {row["role"] for row in found} == {"search", "verdict"}


def test_scores_are_exported_one_row_for_each_task(client: TestClient, engine: Engine) -> None:
    with transaction(engine) as session:
        add_study(session)
        trial = add_trial(session, 3)
        add_report(session, trial, 10, 0.5)
        session.get_one(Report, (trial.trial_id, 10)).scores = [0.25, 0.75]
    response = client.get(f"{URL}/export", params={"what": "scores", "format": "parquet"})
    assert response.headers["content-type"] == "application/vnd.apache.parquet"
    assert pq.read_table(io.BytesIO(response.content)).to_pylist() == [
        {"trial_number": 3, "meta_iteration": 10, "task": 0, "score": 0.25},
        {"trial_number": 3, "meta_iteration": 10, "task": 1, "score": 0.75},
    ]


@pytest.mark.parametrize("what", ["trials", "reports", "scores"])
def test_a_study_of_more_than_a_page_is_exported_whole(
    client: TestClient, engine: Engine, what: str
) -> None:
    with transaction(engine) as session:
        add_study(session)
        for number in range(260):
            trial = add_trial(session, number)
            for rung in (10, 30):
                add_report(session, trial, rung, 0.5)
        for number in range(260, 510):
            add_trial(session, number, "queued")
    found = rows(client.get(f"{URL}/export", params={"what": what}).text)
    keys = [(int(row["trial_number"]), int(row["meta_iteration"])) for row in found]
    assert len(keys) == (510 if what == "trials" else 520)
    assert keys == sorted(set(keys))


@pytest.mark.usefixtures("seen")
@pytest.mark.parametrize("query", ["format=xlsx", "what=events", "format=csv&what=", "format="])
def test_what_cannot_be_exported_is_refused(client: TestClient, query: str) -> None:
    response = client.get(f"{URL}/export?{query}")
    assert response.status_code == 422
    assert response.json()["code"] == "invalid-request"


def test_a_cause_cannot_be_a_formula(client: TestClient, engine: Engine) -> None:
    with transaction(engine) as session:
        add_study(session)
        add_trial(session, 0, "failed", cause='=HYPERLINK("http://x","y")')
    (row,) = rows(client.get(f"{URL}/export").text)
    assert row["cause"] == '\'=HYPERLINK("http://x","y")'


def test_the_file_name_is_one_everywhere(client: TestClient, engine: Engine) -> None:
    with transaction(engine) as session:
        add_study(session)
        session.get_one(Study, STUDY).name = '../"ünï"\\x; y'
    header = client.get(f"{URL}/export").headers["content-disposition"]
    assert header == 'attachment; filename="n-x-y-trials.csv"'


def test_reports_load_no_torch_and_parquet_is_a_problem_without_pyarrow(tmp_path: Path) -> None:
    program = """
import sys
sys.modules["pyarrow"] = None  # as if it were not installed
from fastapi.testclient import TestClient
from service.app import create_app
from service.db.schema import migrate
from service.db.engine import open_engine, transaction
from service.settings import Settings
from tests.fakes.seen import add_seen_study, complete

settings = Settings(data_directory=sys.argv[1])
migrate.upgrade(settings.url())
with transaction(open_engine(settings.url())) as session:
    complete(session, add_seen_study(session))
with TestClient(create_app(settings), "http://localhost") as client:
    for path in ("report", "report.html", "report.md", "export?what=scores"):
        assert client.get(f"/api/v1/studies/{'a' * 32}/{path}").status_code == 200, path
    refused = client.get(f"/api/v1/studies/{'a' * 32}/export?format=parquet")
assert "torch" not in sys.modules
print(refused.status_code, refused.text)
"""
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True, timeout=300
    )
    assert done.stdout.startswith("406 "), done.stderr
    problem: dict[str, Any] = json.loads(done.stdout.removeprefix("406 "))
    assert problem["code"] == "format-unavailable"
    assert "pip install 'metaopt[parquet]'" in problem["detail"]


@pytest.mark.usefixtures("seen")
def test_our_own_page_has_figures_and_finalists(client: TestClient) -> None:
    page = client.get(f"{URL}/page").json()
    assert set(page["parts"]) == {"verdict", "learning_curves", "adaptation"}
    assert [row[0]["text"] for row in page["finalists"]["rows"]] == ["1", "2"]
    assert client.get(f"/api/v1/studies/{'f' * 32}/page").status_code == 404
