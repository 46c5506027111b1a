"""What a poll costs however much is queued: counted in steps of SQLite's own machine."""

import sqlite3
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, event, text

from service.database_url import sqlite_url
from service.db.engine import open_engine, transaction
from service.db.study_progress import at_work_or_next
from service.db.trials import left_over
from tests.fakes.rows import add_study, add_trial


@pytest.mark.parametrize("status", ["queued", "cancelled"])
def test_a_poll_takes_as_many_steps_beside_many_studies_as_beside_few(
    sqlite_template: Path, status: str
) -> None:
    def steps(studies: int) -> int:
        """Of a poll, and of the look for what ended studies left, beside so many of a status."""
        counted = 0

        def count() -> None:
            nonlocal counted
            counted += 1

        with transaction(engine) as session:
            add_trial(session, 0, study_id=add_study(session).study_id)
            for number in range(studies):
                add_study(session, f"{number:032x}", status=status)
            session.flush()
            connection = session.connection().connection.driver_connection
            assert isinstance(connection, sqlite3.Connection)
            connection.set_progress_handler(count, 1)
            at_work_or_next(session, ["a" * 32])
            left_over(session, ["a" * 32])
            connection.set_progress_handler(None, 1)
            session.rollback()
        return counted

    engine = open_engine(sqlite_url(sqlite_template))
    assert steps(400) == steps(4) > 0
    engine.dispose()


@pytest.mark.postgres
@pytest.mark.parametrize("database_url", ["postgres"], indirect=True)
def test_a_poll_reads_no_queue_on_postgres_either(engine: Engine) -> None:
    sent: list[tuple[str, Any]] = []
    with transaction(engine) as session:
        add_study(session)
        add_study(session, "b" * 32, status="queued")
        columns = "name, spec, spec_sha256, status, version, sealed_looks, project"
        session.execute(
            text(
                f"INSERT INTO mo_studies (study_id, created_at, {columns}) "  # noqa: S608 # ours
                "SELECT lpad(to_hex(number), 32, '0'), created_at + number * interval '1 second', "
                f"{columns} FROM mo_studies, generate_series(1, 10000) AS number "
                "WHERE study_id = :study_id"
            ),
            {"study_id": "b" * 32},
        )
        session.execute(text("ANALYZE mo_studies"))
        connection = session.connection()
        event.listen(connection, "before_cursor_execute", lambda *seen: sent.append(seen[2:4]))
        found = at_work_or_next(session, ["a" * 32])
        [(sql, values)] = sent
        explained = connection.exec_driver_sql(f"EXPLAIN (ANALYZE, FORMAT JSON) {sql}", values)
        [plan] = explained.scalar_one()
    assert [seen.study_id[0] for seen in found] == ["a", "b"]
    assert read_rows(plan["Plan"]) < 10


def read_rows(plan: dict[str, Any]) -> int:
    """How many rows a plan of PostgreSQL has looked at."""
    own = plan["Actual Loops"] * (
        plan["Actual Rows"]
        + plan.get("Rows Removed by Filter", 0)
        + plan.get("Rows Removed by Index Recheck", 0)
    )
    is_read = "Relation Name" in plan
    return (own if is_read else 0) + sum(map(read_rows, plan.get("Plans", ())))
