"""Many trials go up and down with all that hangs on them, also where the way up is cut off."""

import signal
import subprocess
import sys
import time
from collections.abc import Callable

import pytest
from sqlalchemy import Engine

from service.db.schema import migrate, revisions
from tests.migrations.history import digests, fill

FIRST, BEFORE_HEAD = "0001", "0025"
MOST_SECONDS = 60.0
KILLED = """
import os, signal, sys, threading
from sqlalchemy import Engine, event
from service.db.schema import migrate, revisions
url, begins, left, seconds = sys.argv[1], sys.argv[2], int(sys.argv[3]), float(sys.argv[4])
kill = lambda: os.kill(os.getpid(), signal.SIGKILL)
def count(connection, cursor, sql, *_):
    global left
    left -= sql.lstrip().startswith(begins)
    if left == 0:
        kill()
event.listen(Engine, "before_cursor_execute", count)
timer = threading.Timer(seconds, kill)
timer.daemon = True
timer.start()
migrate.upgrade(url)
"""


def kill_upgrade(url: str, begins: str = "", number: int = -1, *, seconds: float = 500.0) -> None:
    """Upgrade in a process that kills itself before its nth statement that so begins, or later.

    Args:
        seconds: After which it does in any case.
    """
    arguments = [sys.executable, "-c", KILLED, url, begins, str(number), str(seconds)]
    done = subprocess.run(arguments, capture_output=True, text=True, timeout=600)
    assert done.returncode == -signal.SIGKILL, done.stderr


def timed(step: Callable[[], None]) -> float:
    begun = time.perf_counter()
    step()
    return time.perf_counter() - begun


def filled(engine: Engine, url: str, trials: int) -> tuple[list[str], dict[str, str]]:
    """Have a database of the first revision; return its tables and what they say."""
    migrate.upgrade(url, FIRST)
    with engine.begin() as connection:
        tables = list(fill(connection, trials))
        return tables, digests(connection, tables)


def says(engine: Engine, tables: list[str]) -> dict[str, str]:
    with engine.connect() as connection:
        return digests(connection, tables)


def test_thousands_of_trials_go_up_and_down_and_survive_a_kill(
    bare: Engine, database_url: str
) -> None:
    tables, before = filled(bare, database_url, 2000)
    kill_upgrade(database_url, "UPDATE mo_reports", 4)  # while the scores become blobs
    assert revisions.current(database_url) == FIRST
    assert says(bare, tables) == before
    migrate.upgrade(database_url)
    revisions.check(bare)
    assert says(bare, tables) == before
    migrate.downgrade(database_url, "-1")
    assert says(bare, tables) == before
    migrate.upgrade(database_url)
    assert says(bare, tables) == before


@pytest.mark.night
@pytest.mark.timeout(3600)
def test_a_hundred_thousand_trials_take_a_minute_at_most(bare: Engine, database_url: str) -> None:
    tables, before = filled(bare, database_url, 100_000)
    assert before["mo_trials"].startswith("100000 ")
    kill_upgrade(database_url, seconds=8.0)
    assert revisions.current(database_url) == FIRST
    took = {"up from 0001": timed(lambda: migrate.upgrade(database_url))}
    assert says(bare, tables) == before
    took["down to 0025"] = timed(lambda: migrate.downgrade(database_url, BEFORE_HEAD))
    took["up from 0025"] = timed(lambda: migrate.upgrade(database_url))
    took["down one"] = timed(lambda: migrate.downgrade(database_url, "-1"))
    assert says(bare, tables) == before
    took["down to 0013"] = timed(lambda: migrate.downgrade(database_url, "0013"))
    assert says(bare, tables) == before
    print(bare.dialect.name, {step: round(seconds, 1) for step, seconds in took.items()})
    del took["down to 0013"]  # every score is rewritten: it must end well, in whatever time
    assert max(took.values()) <= MOST_SECONDS, took
