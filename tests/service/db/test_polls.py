"""What a poll costs however much is queued: counted in steps of SQLite's own machine."""

import sqlite3
from pathlib import Path

import pytest

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
