"""Stored specs whose kinds have vanished: everything that shows a study still does."""

import copy
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine

from service.db.engine import transaction
from service.db.tables import Schedule, Study
from service.mirror.note import note
from service.operations.specs.stored import stored_warnings
from service.wire.spec.stored import StoredStudy, stored_spec
from service.wire.views.studies import StudyView
from tests.fakes.rows import NOON
from tests.fakes.seen import STUDY, add_seen_study, complete
from tests.fakes.specs import SPEC

URL = f"/api/v1/studies/{STUDY}"
PAGES = (
    "", "/report", "/report.html", "/report.md", "/trials", "/asks?branch=maml", "/events",
    "/export?what=trials&format=csv", "/export?what=reports&format=json", "/timeline", "/result",
)  # fmt: skip


def vanished(spec: dict[str, Any]) -> dict[str, Any]:
    """The spec as it would be, had its kinds been somebody's who is gone."""
    spec = copy.deepcopy(stored_spec(spec).model_dump(mode="json"))
    spec["tasks"] |= {"kind": "gone tasks", "wavelength": [1, 2]}
    spec["model"] |= {"kind": "module", "ref": "gone.nets:Net", "options": {"hidden": 3}}
    spec["branches"][1]["algorithm"] = "gone"
    spec["branches"][1]["space"]["pull"] = {"low": 0.0, "high": 1.0, "log": False}
    spec["branches"][1]["space"]["kept"] = 0.5
    return spec


def test_a_spec_of_vanished_kinds_is_what_was_stored() -> None:
    data = vanished(SPEC)
    spec = stored_spec(data)
    assert isinstance(spec, StoredStudy)
    assert spec.model_dump(mode="json") == data
    assert (spec.metric(), spec.maximize()) == ("mse", False)
    assert spec.branches[1].fixed()["kept"] == 0.5
    assert "pull" not in spec.branches[1].fixed()
    assert stored_warnings(data, None) == []


@pytest.fixture
def gone(engine: Engine) -> None:
    with transaction(engine) as session:
        study = add_seen_study(session)
        complete(session, study)
        data = study.spec
        study.spec = vanished(data)


@pytest.mark.usefixtures("gone")
def test_every_page_of_a_study_of_vanished_kinds_is_shown(client: TestClient) -> None:
    for page in PAGES:
        answer = client.get(f"{URL}{page}")
        assert answer.status_code == 200, answer.text
    view = StudyView.model_validate_json(client.get(URL).text)
    assert view.spec.tasks.kind == "gone tasks"


@pytest.mark.usefixtures("gone")
def test_lists_and_schedules_show_it_and_the_mirror_writes_its_note(
    client: TestClient, engine: Engine
) -> None:
    assert client.get("/api/v1/studies").json()["items"][0]["spec"]["tasks"]["kind"] == "gone tasks"
    with transaction(engine) as session:
        session.add(
            Schedule(
                schedule_id="c" * 32,
                name="nightly",
                cron="0 3 * * *",
                time_zone="UTC",
                catch_up="once",
                overlap="skip",
                seed="fixed",
                spec=vanished(SPEC),
                planned_to=NOON,
                created_at=NOON,
            )
        )
    (listed,) = client.get("/api/v1/schedules").json()["items"]
    assert listed["spec"]["tasks"]["kind"] == "gone tasks"
    assert client.get(f"/api/v1/schedules/{'c' * 32}/history").status_code == 200
    with transaction(engine) as session:
        assert "Verdict" in note(session.get_one(Study, STUDY))
