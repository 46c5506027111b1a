"""Ready means: database there, schema at head, a dispatcher alive by the database's clock."""

from datetime import timedelta

from fastapi.testclient import TestClient
from sqlalchemy import Engine, text, update

from service.db.dispatcher import acquire, database_now
from service.db.engine import transaction
from service.db.tables import DispatcherRow
from service.operations.health import readiness
from tests.fakes.rows import add_study, add_trial


def test_a_live_dispatcher_makes_it_ready_until_it_falls_silent(engine: Engine) -> None:
    assert "none has ever run" in readiness(engine)["dispatcher"]
    with transaction(engine) as session:
        acquire(session, "test", lambda holder: False)
    assert readiness(engine) == {"database": "ok", "schema": "ok", "dispatcher": "ok"}
    with transaction(engine) as session:
        old = database_now(session) - timedelta(seconds=11)
        session.execute(update(DispatcherRow).values(refreshed_at=old))
    assert "last sign of life is 11 s old" in readiness(engine)["dispatcher"]


def test_an_old_schema_is_not_ready(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(text("DELETE FROM mo_alembic_version"))
    assert "metaopt db upgrade" in readiness(engine)["schema"]


def test_metrics_count_studies_and_trials_by_status(client: TestClient, engine: Engine) -> None:
    with transaction(engine) as session:
        add_study(session)
        add_study(session, "b" * 32, status="queued")
        add_trial(session, 0, "diverged")
    lines = client.get("/metrics").text.splitlines()
    assert 'metaopt_studies{status="running"} 1.0' in lines
    assert 'metaopt_trials{status="diverged"} 1.0' in lines
    assert 'metaopt_trials{status="failed"} 0.0' in lines
    assert "metaopt_queue_depth 1.0" in lines
    assert "metaopt_dispatcher_live 0.0" in lines
