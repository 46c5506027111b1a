"""Upgrading: many processes at once, kept rows, and sentences for what is wrong."""

import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest
from alembic.config import Config
from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Column, Engine, Text, inspect, text
from sqlalchemy.exc import OperationalError

from service.db.engine import open_engine
from service.db.schema import migrate, revisions
from service.errors import SchemaOutdated

KEPT = "SELECT revision, metaopt FROM mo_upgrades"


def test_four_processes_may_upgrade_an_empty_database_at_once(database_url: str) -> None:
    program = "import sys; from service.db.schema import migrate; migrate.upgrade(sys.argv[1])"
    started = [
        subprocess.Popen(
            [sys.executable, "-c", program, database_url], stderr=subprocess.PIPE, text=True
        )
        for _ in range(4)
    ]
    errors = [process.communicate(timeout=300)[1] for process in started]
    assert [process.returncode for process in started] == [0] * 4, errors
    engine = open_engine(database_url)
    revisions.check(engine)
    assert {"mo_studies", "trials"} <= set(inspect(engine).get_table_names())
    engine.dispose()


def test_an_upgrade_that_another_never_ends_is_not_waited_for_for_ever(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(migrate, "LOCK_SECONDS", 1)
    url = engine.url.render_as_string(hide_password=False)
    with migrate._lock(engine):
        with pytest.raises((TimeoutError, OperationalError), match="held its lock|lock timeout"):
            migrate.upgrade(url)
    migrate.upgrade(url)


def test_upgrading_again_changes_nothing(engine: Engine, database_url: str) -> None:
    before = set(inspect(engine).get_table_names())
    migrate.upgrade(database_url)
    revisions.check(engine)
    assert set(inspect(engine).get_table_names()) == before


def test_an_empty_database_is_refused_with_the_way_out(sqlite_url: str) -> None:
    Path(sqlite_url.removeprefix("sqlite:///")).parent.mkdir()
    engine = open_engine(sqlite_url)
    with pytest.raises(SchemaOutdated, match="no tables yet.*metaopt db upgrade"):
        revisions.check(engine)
    engine.dispose()


def test_a_newer_database_is_refused_by_an_older_program(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(text("UPDATE mo_alembic_version SET version_num = '9999'"))
    with pytest.raises(SchemaOutdated, match="9999.*does not know.*newer version"):
        revisions.check(engine)


def test_a_newer_database_names_the_version_that_wrote_it(
    engine: Engine, database_url: str
) -> None:
    with engine.begin() as connection:
        revision, metaopt = connection.execute(text(KEPT)).one()
        assert (revision, metaopt) == (revisions.head(), version("metaopt"))
        connection.execute(text("UPDATE mo_alembic_version SET version_num = '9999'"))
        connection.execute(text("UPDATE mo_upgrades SET revision = '9999', metaopt = '7.1'"))
    said = "9999, written by metaopt 7.1, which this version, .* or restore a backup"
    for refused in (
        lambda: revisions.check(engine),
        lambda: migrate.upgrade(database_url),
        lambda: migrate.downgrade(database_url, "base"),
    ):
        with pytest.raises(SchemaOutdated, match=said):
            refused()
    assert revisions.current(database_url) == "9999"


def test_the_directory_of_a_sqlite_file_is_made(sqlite_url: str) -> None:
    migrate.upgrade(sqlite_url)
    assert revisions.current(sqlite_url) == revisions.head()


def test_foreign_keys_are_on_again_after_an_upgrade(sqlite_url: str) -> None:
    migrate.upgrade(sqlite_url)
    engine = open_engine(sqlite_url)
    with engine.connect() as connection:
        assert connection.scalar(text("PRAGMA foreign_keys")) == 1
        assert connection.scalar(text("PRAGMA journal_mode")) == "wal"
    engine.dispose()


def test_a_revision_may_rebuild_a_table_that_a_view_reads(sqlite_url: str) -> None:
    migrate.upgrade(sqlite_url)
    engine = open_engine(sqlite_url)

    def rebuild(config: Config) -> None:
        operations = Operations(MigrationContext.configure(config.attributes["connection"]))
        with operations.batch_alter_table("mo_reports", recreate="always") as table:
            table.add_column(Column("note", Text))

    migrate.run(engine, rebuild)
    with engine.connect() as connection:
        assert connection.execute(text("SELECT note FROM mo_reports")).all() == []
        assert connection.execute(text("SELECT * FROM mo_scores")).all() == []
    engine.dispose()
