"""db upgrade, current, downgrade, backup and prune."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, select, text

from service.database_url import sqlite_url
from service.db.engine import open_engine, reading, transaction
from service.db.schema import revisions
from service.db.tables import Base
from service.settings import Settings
from tests.fakes.rows import add_segment, add_study, add_trial, finish_study
from tests.service.cli.conftest import Command


def test_tables_go_up_and_down_again(metaopt: Command) -> None:
    assert metaopt("db", "current").out == "base\n"
    assert metaopt("db", "upgrade").code == 0
    assert metaopt("db", "current").out == f"{revisions.head()}\n"
    assert metaopt("db", "upgrade").code == 0
    assert metaopt("db", "downgrade", "base").code == 0
    assert metaopt("db", "current").out == "base\n"


def test_a_revision_that_does_not_exist_is_named(metaopt: Command) -> None:
    said = metaopt("db", "upgrade", "bogus")
    assert said.code == 2
    assert "there is no revision 'bogus'" in said.err


def test_a_newer_database_is_told_of_with_the_version_that_wrote_it(metaopt: Command) -> None:
    assert metaopt("db", "upgrade").code == 0
    engine = open_engine(Settings().url())
    with transaction(engine) as session:
        session.execute(text("UPDATE mo_alembic_version SET version_num = '9999'"))
        session.execute(text("UPDATE mo_upgrades SET revision = '9999', metaopt = '7.1'"))
    engine.dispose()
    current = metaopt("db", "current")
    assert (current.code, current.out) == (0, "9999\n")
    for said in (current, *(metaopt("db", *does) for does in (["upgrade"], ["downgrade", "base"]))):
        assert "at revision 9999, written by metaopt 7.1" in said.err
        assert "metaopt, 7.1 or later" in said.err
    for command in (["upgrade"], ["downgrade", "base"]):
        assert metaopt("db", *command).code == 2
    for command in ("api", "dispatcher", "serve"):
        said = metaopt(command, *([] if command == "dispatcher" else ["--port", "0"]))
        assert said.code == 2 and "written by metaopt 7.1" in said.err


def test_a_backup_is_whole_while_the_database_is_written(
    metaopt: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = tmp_path / "what?x=1 50%25'\";#"
    monkeypatch.setenv("METAOPT_DATA_DIRECTORY", str(data))
    copy = tmp_path / "copy ?%41'.db"
    copy.write_text("older")
    assert metaopt("db", "backup", str(copy)).code == 2 and copy.read_text() == "older"
    assert metaopt("db", "upgrade").code == 0
    engine = open_engine(Settings().url())
    with transaction(engine) as session:
        add_study(session, name="kept")  # in the write-ahead log: a copy of the file has it not
    with transaction(engine) as session:
        session.execute(text("UPDATE mo_studies SET name = 'under way'"))
        session.flush()
        assert metaopt("db", "backup", str(copy)).code == 0
    engine.dispose()
    assert sorted(tmp_path.iterdir()) == sorted([copy, data])
    monkeypatch.setenv("METAOPT_DATABASE_URL", sqlite_url(copy).render_as_string())
    assert metaopt("db", "current").out == f"{revisions.head()}\n"
    with reading(open_engine(sqlite_url(copy))) as session:
        assert session.scalars(text("SELECT name FROM mo_studies")).all() == ["kept"]


def test_a_directory_takes_everything_and_gives_it_back(
    metaopt: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("METAOPT_DATA_DIRECTORY", str(tmp_path / "data"))
    assert metaopt("db", "upgrade").code == 0
    engine = open_engine(Settings().url())
    with transaction(engine) as session:
        add_study(session, name="kept")
        trial = add_trial(session, 0)
        trial.checkpoint = f"{trial.study_id}/gone.safetensors"
    engine.dispose()
    copy = tmp_path / "copy"
    said = metaopt("db", "backup", str(copy))
    assert said.code == 0 and f"wrote {copy}: 1 files" in said.err
    assert "lacking: checkpoints/" in said.err and "begins anew" in said.err
    assert metaopt("db", "backup", str(copy)).code == 2  # nothing is replaced
    said = metaopt("db", "restore", str(copy))
    assert said.code == 2 and "is not empty (mo_studies), and nothing is overwritten" in said.err
    monkeypatch.setenv("METAOPT_DATA_DIRECTORY", str(tmp_path / "again"))
    said = metaopt("db", "restore", str(copy))
    assert said.code == 0 and "is lacking: trial 0 of study" in said.err
    with reading(open_engine(Settings().url())) as session:
        assert session.scalars(text("SELECT name FROM mo_studies")).all() == ["kept"]
    said = metaopt("db", "restore", str(tmp_path))
    assert said.code == 2 and "is no backup that was finished" in said.err


def test_a_backup_takes_no_database_s_place(metaopt: Command, tmp_path: Path) -> None:
    assert metaopt("db", "upgrade").code == 0
    database = Path(str(Settings().url().database))
    link, other, log = tmp_path / "link.db", tmp_path / "other.db", tmp_path / "other.db-wal"
    link.symlink_to(database)
    before = database.stat().st_ino
    for same in (database, link):
        said = metaopt("db", "backup", str(same))
        assert said.code == 2 and "is the database itself" in said.err
    assert database.stat().st_ino == before
    log.touch()
    said = metaopt("db", "backup", str(other))
    assert said.code == 2 and "other.db-wal stands beside it" in said.err and not other.exists()
    log.unlink()
    assert metaopt("db", "backup", str(other)).code == 0 and other.exists()


def test_what_ended_long_ago_goes_unless_it_is_a_dry_run(
    metaopt: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert metaopt("db", "upgrade").code == 0
    engine = open_engine(Settings().url())
    with transaction(engine) as session:
        study = add_study(session)
        finish_study(session, study)
        study.finished_at = datetime(2020, 1, 1, tzinfo=UTC)
        add_segment(session)
    monkeypatch.setenv("METAOPT_KEEP_SEGMENTS_DAYS", "0")
    before = database_rows(engine)
    said = metaopt("db", "prune", "--dry-run", "--json", "-")
    assert said.code == 0 and json.loads(said.out)["events"] == 1
    assert database_rows(engine) == before and "nothing was changed" in said.err
    said = metaopt("db", "prune", "--json", "-")
    assert (said.code, json.loads(said.out)["events"], json.loads(said.out)["segments"]) == (
        0,
        1,
        0,
    )
    kinds = [row[2] for row in database_rows(engine)["mo_events"]]
    assert kinds == ["events_cleared", "study_completed"]
    assert {**database_rows(engine), "mo_events": []} == {**before, "mo_events": []}
    engine.dispose()
    monkeypatch.setenv("METAOPT_KEEP_IDEMPOTENCY_DAYS", "0.5")
    said = metaopt("db", "prune")
    assert said.code == 2 and "must be at least 1 (or 0, for ever), got 0.5" in said.err


def database_rows(engine: Engine) -> dict[str, list[tuple[Any, ...]]]:
    with reading(engine) as session:
        return {
            name: [tuple(row) for row in session.execute(select(table))]
            for name, table in Base.metadata.tables.items()
        }


@pytest.mark.parametrize(
    ("command", "code", "says"),
    [
        (("db", "current"), 0, ""),
        (("db", "prune"), 2, "run `metaopt db upgrade`"),
        (("db", "downgrade", "base"), 2, "run `metaopt db upgrade`"),
        (("db", "backup", "copy.db"), 2, "run `metaopt db upgrade`"),
        (("db", "backup", "copy"), 2, "run `metaopt db upgrade`"),
        (("db", "restore", "copy"), 2, "copy is no backup that was finished"),
        (("api", "--port", "0"), 2, "the database has no tables yet: run `metaopt db upgrade`"),
    ],
)
def test_only_upgrade_makes_a_database(
    metaopt: Command, tmp_path: Path, command: tuple[str, ...], code: int, says: str
) -> None:
    said = metaopt(*command)
    assert said.code == code and says in said.err
    assert list(tmp_path.iterdir()) == []
