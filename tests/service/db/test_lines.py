"""Lines to PostgreSQL that break unseen, and clients that die in the middle of a transaction."""

import subprocess
import sys
import time
from collections.abc import Iterator

import pytest
from sqlalchemy import Engine, event, select, text
from sqlalchemy.exc import DBAPIError, OperationalError

from service.db.connections.deadlines import API, DISPATCHER
from service.db.connections.failures import is_away
from service.db.connections.postgres import BoundedConnection
from service.db.engine import open_engine, transaction
from service.db.optuna.storage import open_storage
from service.db.tables import Study
from tests.fakes.proxy import Proxy, Way
from tests.fakes.rows import add_study
from tests.waiting import wait_until

DOUBTING = DISPATCHER._replace(doubt=0.5)
SOON = 10.0  # what takes a second or two where nothing else runs; without asking it is 15, and 65

on_postgres = pytest.mark.parametrize("database_url", ["postgres"], indirect=True)


@pytest.fixture
def proxy(engine: Engine) -> Iterator[Proxy]:
    one = Proxy(engine.url.render_as_string(hide_password=False))
    yield one
    one.close()


@pytest.mark.postgres
@on_postgres
@pytest.mark.parametrize("way", ["up", "down"])
def test_a_line_that_is_half_open_is_given_up_and_its_locks_are_free(
    engine: Engine, proxy: Proxy, way: Way
) -> None:
    with transaction(engine) as session:
        study_id = add_study(session).study_id
    locked = select(Study.study_id).where(Study.study_id == study_id).with_for_update()
    broken = open_engine(proxy.url, DOUBTING)
    begun = time.monotonic()
    with pytest.raises(DBAPIError) as lost, transaction(broken) as session:
        session.execute(locked)
        proxy.swallow(way)
        proxy.mend()  # for new lines: this one swallows for ever
        session.execute(text("SELECT 1"))
    assert is_away(lost.value)
    with transaction(engine) as session:  # waits: the server has yet to see that its client is gone
        assert session.scalar(locked) == study_id
    assert time.monotonic() - begun < SOON
    with transaction(broken) as session:
        assert session.scalar(text("SELECT 2")) == 2
    broken.dispose()


@pytest.mark.postgres
@on_postgres
def test_a_statement_that_takes_long_is_waited_for(engine: Engine, proxy: Proxy) -> None:
    patient = open_engine(proxy.url, DOUBTING)
    with transaction(patient) as session:
        assert session.scalar(text("SELECT 1 FROM pg_sleep(2)")) == 1
        proxy.stall()
        proxy.mend()
        assert session.scalar(text("SELECT 3")) == 3
    patient.dispose()


DIES = """
import os, signal, sys
from sqlalchemy import text
from service.db.engine import open_engine, transaction
with transaction(open_engine(sys.argv[1])) as session:
    session.execute(text("UPDATE mo_studies SET name = 'held'"))
    print("holds", flush=True)
    sys.stdin.read()
"""


def test_a_client_that_dies_in_a_transaction_holds_nothing_any_more(engine: Engine) -> None:
    with transaction(engine) as session:
        study_id = add_study(session, name="before").study_id
    url = engine.url.render_as_string(hide_password=False)
    client = subprocess.Popen(
        [sys.executable, "-c", DIES, url], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert client.stdin is not None and client.stdout is not None
    with client, client.stdin, client.stdout:
        assert client.stdout.readline() == "holds\n"
        client.kill()
        client.wait()
    begun = time.monotonic()
    hasty = open_engine(engine.url, DISPATCHER._replace(lock=30.0))

    def written() -> bool:
        with transaction(hasty) as session:
            study = session.get_one(Study, study_id, with_for_update=True)
            was, study.name = study.name, "after"
        return was == "before"

    wait_until(written, 1, what="the row that was held, as it was before")
    assert time.monotonic() - begun < 30.0  # it has not waited for the lock
    hasty.dispose()


@pytest.mark.postgres
@on_postgres
def test_lines_that_are_cut_as_soon_as_they_are_made_are_a_database_that_is_away(
    engine: Engine, proxy: Proxy
) -> None:
    def cut(_connection: object, _record: object) -> None:
        proxy.cut()

    unlucky = open_engine(proxy.url, DISPATCHER)
    with transaction(unlucky) as session:
        session.execute(text("SELECT 1"))
    event.listen(unlucky, "connect", cut)
    proxy.cut()  # that of the pool; the next one fares no better
    with pytest.raises(OperationalError) as lost, transaction(unlucky) as session:
        session.execute(text("SELECT 1"))
    assert is_away(lost.value)
    event.remove(unlucky, "connect", cut)
    with transaction(unlucky) as session:
        assert session.scalar(text("SELECT 2")) == 2
    unlucky.dispose()


@pytest.mark.postgres
@on_postgres
def test_optunas_storage_waits_no_longer_than_we_do_from_its_first_connection_on(
    engine: Engine,
) -> None:
    storage = open_storage(engine.url, API)
    assert storage.engine.pool.checkedin() >= 1  # of its check
    with storage.engine.connect() as connection:
        first = connection.connection.driver_connection
        assert isinstance(first, BoundedConnection) and not first.is_new
        assert first.answer_seconds == API.answer
    assert storage.get_all_studies() == []
    storage.remove_session()
    storage.engine.dispose()
