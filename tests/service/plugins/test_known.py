"""What a process offers of plug-ins: just what is there now, known by descriptions alone."""

from collections.abc import Iterator
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine, event

from metaopt.algorithms.registry import ALGORITHMS
from metaopt.errors import InvalidPlugin
from metaopt.plugins.described import Described
from service.db.engine import reading, transaction
from service.db.plugins import rows
from service.db.tables import Study
from service.errors import InvalidSpec
from service.operations.submit import submit_study
from service.plugins.known import learn_present
from service.plugins.stored import spec_of
from service.wire.spec.stored import StoredStudy
from service.wire.spec.study import StudySpec
from tests.fakes.described import DIGEST, algorithm, needed, refused
from tests.fakes.rows import NOON, add_study
from tests.fakes.specs import TINY

BRANCH = {"algorithm": "pulled", "space": {"pull": {"low": 0.0, "high": 0.1}}}
SPEC: dict[str, Any] = {**TINY, "branches": [BRANCH]}


def tell(engine: Engine, *described: Described) -> None:
    with transaction(engine) as session:
        rows.tell_present(session, described, now=NOON)


@pytest.fixture(autouse=True)
def nothing_offered(engine: Engine) -> Iterator[None]:
    yield
    tell(engine)
    with reading(engine) as session:
        learn_present(session)
    ALGORITHMS.forget("pulled")


def test_a_spec_is_checked_by_a_description_and_the_study_records_its_digest(
    client: TestClient, engine: Engine
) -> None:
    unknown = client.post("/api/v1/studies", json=SPEC)
    assert unknown.status_code == 422 and "branches[0].algorithm" in unknown.text
    tell(engine, algorithm(), refused())
    bad = {**SPEC, "branches": [{**BRANCH, "space": {"pull": {"low": -1.0, "high": 2.0}}}]}
    assert "pull must be in [0, 1e+30]" in client.post("/api/v1/studies", json=bad).text
    study = client.post("/api/v1/studies", json=SPEC)
    assert study.status_code == 202, study.text
    assert study.json()["plugins"] == [needed(algorithm())]
    assert client.post("/api/v1/studies/preview", json=SPEC).status_code == 200
    with pytest.raises(InvalidPlugin, match="only described here"):
        ALGORITHMS.get("pulled").draw()


def test_one_that_cannot_be_used_is_refused_with_the_reason(
    client: TestClient, engine: Engine
) -> None:
    tell(engine, refused(why="add other==3.0 to METAOPT_PLUGINS"))
    body = {**SPEC, "branches": [{"algorithm": "other"}]}
    (error,) = client.post("/api/v1/studies", json=body).json()["errors"]
    assert error["field"] == "branches[0].algorithm"
    assert error["message"] == "other cannot be used: add other==3.0 to METAOPT_PLUGINS"
    schedule = {"name": "nightly", "cron": "0 3 * * *", "spec": body}
    assert "METAOPT_PLUGINS" in client.post("/api/v1/schedules", json=schedule).text


def test_the_list_and_the_document_have_what_is_there(client: TestClient, engine: Engine) -> None:
    def algorithms() -> list[str]:
        schemas = client.get("/openapi.json").json()["components"]["schemas"]
        names: list[str] = schemas["Branch"]["properties"]["algorithm"]["enum"]
        return names

    assert client.get("/api/v1/plugins").json() == {"items": []}
    before = algorithms()
    tell(engine, algorithm(), refused())
    first, second = client.get("/api/v1/plugins").json()["items"]
    assert (first["name"], first["record"]) == ("other", None)
    assert (second["digest"], second["described_at"]) == (DIGEST, "2026-01-02T12:00:00Z")
    assert second["record"]["params"][-1]["name"] == "pull"
    assert algorithms() == sorted([*before, "pulled"])


def test_one_that_goes_while_a_spec_is_submitted_is_refused(
    client: TestClient, engine: Engine
) -> None:
    tell(engine, algorithm())
    assert client.post("/api/v1/studies/preview", json=SPEC).status_code == 200
    spec = StudySpec.model_validate(SPEC)
    tell(engine)
    with transaction(engine) as session, pytest.raises(InvalidSpec, match="not there any more"):
        submit_study(session, spec, None, study_id="f" * 32, now=NOON)


def test_what_has_gone_is_offered_no_more_and_still_shown(
    client: TestClient, engine: Engine
) -> None:
    tell(engine, algorithm())
    study_id = client.post("/api/v1/studies", json=SPEC).json()["study_id"]
    tell(engine)
    assert client.post("/api/v1/studies", json=SPEC).status_code == 422
    shown = client.get(f"/api/v1/studies/{study_id}")
    assert shown.json()["spec"]["branches"][0]["algorithm"] == "pulled"
    assert ALGORITHMS.get("pulled").parameters()["pull"].high == 0.5


def test_a_process_that_began_later_learns_of_a_stored_kind_when_it_is_shown(
    engine: Engine,
) -> None:
    with transaction(engine) as session:
        add_study(session, spec=SPEC)
    tell(engine, algorithm())
    tell(engine)
    with reading(engine) as session:
        spec = spec_of(session.get_one(Study, "a" * 32))
    assert isinstance(spec, StoredStudy)  # nobody can choose it now
    assert spec.branches[0].fixed()["order"] == "second"


def test_nothing_new_costs_one_query_and_no_description(client: TestClient, engine: Engine) -> None:
    tell(engine, algorithm())
    with reading(engine) as session:
        learn_present(session)
    asked: list[str] = []
    event.listen(engine, "before_cursor_execute", lambda *said: asked.append(said[2]))
    with reading(engine) as session:
        learn_present(session)
    (statement,) = [one for one in asked if "mo_plugins" in one]
    assert "record" not in statement
