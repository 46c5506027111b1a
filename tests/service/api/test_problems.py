"""A database without its tables is answered with what mends it, not with "try again"."""

from collections.abc import Iterator

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine, text

from service.app import create_app
from service.db.schema import migrate
from service.settings import Settings
from tests.fakes.local import local_client
from tests.fakes.specs import SPEC


@pytest.fixture
def outdated(settings: Settings, engine: Engine) -> Iterator[TestClient]:
    """Return a client of an application that lost its tables."""
    with local_client(create_app(settings), raise_server_exceptions=False) as client:
        migrate.downgrade(settings.url(), "base")
        yield client


def test_every_answer_names_the_command_that_makes_the_tables(outdated: TestClient) -> None:
    for answer in (
        outdated.get("/readyz"),
        outdated.get("/api/v1/studies"),
        outdated.post("/api/v1/studies", json=SPEC),
    ):
        problem = answer.json()
        assert (answer.status_code, problem["code"]) == (503, "schema-outdated")
        assert "the database has no tables yet: run `metaopt db upgrade`" in problem["detail"]
    assert outdated.get("/healthz").status_code == 200


def test_a_column_that_is_missing_is_an_older_schema(client: TestClient, engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(text("ALTER TABLE mo_studies RENAME COLUMN name TO label"))
        connection.execute(text("UPDATE mo_alembic_version SET version_num = '0001'"))
    problem = client.get("/api/v1/studies").json()
    assert problem["code"] == "schema-outdated"
    assert "at revision 0001" in problem["detail"] and "metaopt db upgrade" in problem["detail"]


@pytest.mark.parametrize("revision", ["0019", "9999"])
def test_nothing_is_written_into_another_schema(
    client: TestClient, engine: Engine, revision: str
) -> None:
    study_id = client.post("/api/v1/studies", json=SPEC).json()["study_id"]
    with engine.begin() as connection:
        connection.execute(text("UPDATE mo_alembic_version SET version_num = :v"), {"v": revision})
    said = f"at revision {revision}"
    changes = ("/api/v1/studies", f"/api/v1/studies/{study_id}:pause")
    for answer in (*(client.post(path, json=SPEC) for path in changes), client.get("/readyz")):
        assert answer.status_code == 503
        assert said in answer.json()["detail"]
    detail = client.post(changes[0], json=SPEC).json()["detail"]
    mends = "`metaopt db upgrade`" if revision == "0019" else "run a newer version of metaopt"
    assert mends in detail
    assert len(client.get("/api/v1/studies").json()["items"]) == 1
