"""A database without its tables is answered with what mends it, not with "try again"."""

from collections.abc import Iterator

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine, text

from service.app import create_app
from service.db.schema import migrate
from service.settings import Settings
from tests.fakes.specs import SPEC


@pytest.fixture
def outdated(settings: Settings, engine: Engine) -> Iterator[TestClient]:
    """Return a client of an application that lost its tables."""
    with TestClient(create_app(settings), raise_server_exceptions=False) as client:
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
