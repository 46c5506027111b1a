"""Many writers on SQLite: each waits for its turn, and none is told that the database is locked.

The API alone gives up after two seconds, so that it answers in five: if the disk stalls for longer,
its client tries again.
"""

import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import Engine, select, text

from service.db.engine import reading, transaction
from service.db.tables import DispatcherRow

WRITER = """
import json, sys, time
from sqlalchemy import text
from sqlalchemy.exc import OperationalError
from service.db.connections import deadlines
from service.db.connections.failures import is_locked
from service.db.engine import open_engine, reading, transaction
engine = open_engine(sys.argv[1], getattr(deadlines, sys.argv[2]))
longest, again = 0.0, 0
for _ in range(int(sys.argv[3])):
    while True:
        begin = time.monotonic()
        try:
            with transaction(engine) as session:
                session.execute(text("UPDATE mo_dispatcher SET epoch = epoch + 1"))
            break
        except OperationalError as error:
            if sys.argv[2] != "API" or not is_locked(error):
                raise
            again += 1
    longest = max(longest, time.monotonic() - begin)
    with reading(engine) as session:
        session.scalar(text("SELECT count(*) FROM mo_studies"))
print(json.dumps([round(longest, 2), again]))
"""
ROLES = ["API"] * 4 + ["DISPATCHER"] * 2 + ["PATIENT"] * 2


@pytest.mark.slow
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize("each", [150, pytest.param(2500, marks=pytest.mark.night)])
def test_eight_writers_at_once_lose_and_refuse_nothing(engine: Engine, each: int) -> None:
    with transaction(engine) as session:
        session.execute(
            text(
                "INSERT INTO mo_dispatcher (singleton, epoch, holder, refreshed_at)"
                " VALUES (1, 0, 'nobody', '2026-01-01 00:00:00')"
            )
        )
    url = engine.url.render_as_string()
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, url, role, str(each)],
            cwd=Path(__file__).parents[3],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for role in ROLES
    ]
    said = [writer.communicate(timeout=500) for writer in writers]
    assert [writer.returncode for writer in writers] == [0] * len(ROLES), said
    with reading(engine) as session:
        assert session.scalar(select(DispatcherRow.epoch)) == each * len(ROLES)
    print("longest wait, and API's tries again:", [out.strip() for out, _ in said])
