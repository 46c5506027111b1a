"""Engine: what a session sees while others write."""

import pytest
from sqlalchemy import Engine, func, select, text

from service.db.connections.deadlines import API, DISPATCHER, STANDBY, Deadlines
from service.db.engine import open_engine, reading, transaction
from service.db.tables import Study
from tests.fakes.rows import add_study


def test_what_a_session_reads_is_of_one_moment(engine: Engine) -> None:
    count = select(func.count()).select_from(Study)
    with reading(engine) as session:
        before = session.scalar(count)
        with transaction(engine) as other:
            add_study(other)
        assert session.scalar(count) == before == 0
    with reading(engine) as session:
        assert session.scalar(count) == 1


@pytest.mark.postgres
@pytest.mark.parametrize("database_url", ["postgres"], indirect=True)
@pytest.mark.parametrize("deadlines", [API, DISPATCHER, STANDBY])
def test_postgres_knows_the_deadlines_of_a_session(engine: Engine, deadlines: Deadlines) -> None:
    bounded = open_engine(engine.url, deadlines)
    with transaction(bounded) as session:
        found = {
            name: session.scalar(text("SELECT current_setting(:name)::interval"), {"name": name})
            for name in (
                "lock_timeout",
                "statement_timeout",
                "idle_in_transaction_session_timeout",
            )
        }
    wanted = deadlines.lock, deadlines.statement, deadlines.idle
    assert [span.total_seconds() for span in found.values()] == list(wanted)
    with reading(bounded) as session:  # who only reads may compute meanwhile
        idle = session.scalar(text("SHOW idle_in_transaction_session_timeout"))
    assert idle != f"{deadlines.idle:g}s"
    bounded.dispose()
