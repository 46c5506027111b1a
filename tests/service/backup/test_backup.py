"""Backups: made while a dispatcher works, put back elsewhere, refused where they do not fit."""

import json
import shutil
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import Engine, select, text
from sqlalchemy.engine import URL

from metaopt.data.reading import read
from metaopt.data.store import DataStore
from service.backup.backup import back_up
from service.backup.manifest import BackupRefused, Manifest, digest_of
from service.backup.restore import Restored, restore
from service.database_url import sqlite_url
from service.db.dispatcher import acquire
from service.db.engine import open_engine, reading, transaction
from service.db.schema import migrate, revisions
from service.db.tables import Base, Event, Study
from tests.fakes.pictures import animals, write_files
from tests.fakes.processes import DispatcherProcess
from tests.fakes.rows import add_report, add_segment, add_study, add_trial
from tests.fakes.running import attempts, rows
from tests.fakes.specs import SPEC, small_spec
from tests.fakes.studies import submit
from tests.waiting import wait_until

ONE = {
    "branches": small_spec().model_dump(mode="json", exclude_unset=True)["branches"][:1],
    "budget": {"trials": 2, "meta_iterations": 100_000},
    "pruning": {"kind": "none"},
    "verdict": {"finalists": 1, "seeds": 1, "tasks": 20, "compare": "none"},
}


def backed_up(engine: Engine, data: Path, directory: Path) -> Manifest:
    return back_up(engine, data, directory, now=datetime.now(UTC))


def every_row(engine: Engine) -> dict[str, list[object]]:
    with engine.connect() as connection:
        return {
            name: sorted(map(repr, connection.execute(select(one))))
            for name, one in Base.metadata.tables.items()
            if name not in ("mo_dispatcher", "mo_upgrades")  # of a database itself
        }


@pytest.fixture
def elsewhere(tmp_path: Path) -> URL:
    return sqlite_url(tmp_path / "elsewhere" / "metaopt.db")


@pytest.mark.slow
def test_a_service_at_work_is_put_back_and_goes_on(
    engine: Engine, database_url: str, tmp_path: Path
) -> None:
    study_id = submit(engine, small_spec(**ONE))
    one_slot = {"METAOPT_SLOTS": "1", "METAOPT_COMPILE": "never"}
    dispatcher = DispatcherProcess(database_url, tmp_path / "data", **one_slot)
    try:
        wait_until(lambda: twice_kept(engine, study_id), 120, what="two checkpoints of a trial")
        found = [backed_up(engine, tmp_path / "data", tmp_path / f"b{i}") for i in range(3)]
    finally:
        dispatcher.close()
    assert all(manifest.lacking == [] for manifest in found)
    assert [one.path for one in found[-1].files if one.path.endswith(".safetensors")]
    shutil.rmtree(tmp_path / "data" / "checkpoints")
    engine.dispose()
    if engine.dialect.name == "postgresql":  # and nothing is left there
        migrate.downgrade(database_url, "base")
        url: str | URL = database_url
    else:
        url = sqlite_url(tmp_path / "again" / "metaopt.db")
    done = restore(tmp_path / "b2", url, tmp_path / "again")
    assert done.lacking == [] and done.rows > 5
    again = open_engine(url)
    before = {t["trial_id"]: t["meta_iteration"] for t in rows(again, study_id)}
    assert any(before.values())
    shown = again.url.render_as_string(hide_password=False)
    dispatcher = DispatcherProcess(shown, tmp_path / "again", **one_slot)
    try:
        wait_until(lambda: further(again, study_id, before), 200, what="more of each trial")
    finally:
        dispatcher.close()
    resumed = {one.trial_id: one.from_meta_iteration for one in attempts(again, study_id)}
    assert {one: resumed[one] for one in before} == before
    assert {t["attempts"] for t in rows(again, study_id)} == {0}
    with reading(again) as session:
        assert session.get_one(Study, study_id).warnings is None
    again.dispose()


def twice_kept(engine: Engine, study_id: str) -> bool:
    return any(trial["previous_checkpoint"] for trial in rows(engine, study_id))


def further(engine: Engine, study_id: str, before: dict[str, int]) -> bool:
    ages = {trial["trial_id"]: trial["meta_iteration"] for trial in rows(engine, study_id)}
    return all(ages[one] > age for one, age in before.items())


def filled(engine: Engine, data: Path) -> str:
    """Fill tables and a data directory, and return the digest of a data set."""
    packed = read(write_files(data.parent / "animals", animals()))[1]
    digest = DataStore(data / "datasets").add(packed, "kana")
    with transaction(engine) as session:
        acquire(session, "test", lambda _: True)
        spec = {**SPEC, "tasks": {"kind": "table", "dataset": f"sha256:{digest}"}}
        add_study(session, status="running", spec=spec)
        for number in range(2):
            trial = add_trial(session, number)
            add_report(session, trial, 60, 0.1 + number / 3)
            for name, age in (("checkpoint", 60), ("previous_checkpoint", 40)):
                file = f"{'a' * 32}/{trial.trial_id}-{age}-1.safetensors"
                (data / "checkpoints" / file).parent.mkdir(parents=True, exist_ok=True)
                (data / "checkpoints" / file).write_text(name)
                setattr(trial, name, file)
            trial.previous_meta_iteration = 40
        add_segment(session)
    return digest


def test_every_row_and_file_comes_back_on_either_kind_of_database(
    engine: Engine, database_url: str, tmp_path: Path, elsewhere: URL
) -> None:
    data, there = tmp_path / "data", tmp_path / "elsewhere"
    digest = filled(engine, data)
    (data / "checkpoints" / ("a" * 32) / "orphan.safetensors").write_text("no row names it")
    manifest = backed_up(engine, data, tmp_path / "backup")
    assert manifest.database == engine.dialect.name and not manifest.lacking
    assert not any("orphan" in one.path for one in manifest.files)
    before = every_row(engine)
    done = restore(tmp_path / "backup", elsewhere, there)
    other = open_engine(elsewhere)
    assert every_row(other) == before and done.lacking == []
    assert DataStore(there / "datasets").load("kana").manifest.digest == digest
    assert len(list(there.glob("checkpoints/*/*.safetensors"))) == 4
    again = backed_up(other, there, tmp_path / "second")
    assert {one.path for one in again.files} == {one.path for one in manifest.files}
    if engine.dialect.name == "postgresql":  # and from SQLite into PostgreSQL
        engine.dispose()
        migrate.downgrade(database_url, "base")
        restore(tmp_path / "second", database_url, tmp_path / "third")
        assert every_row(engine) == before
    with transaction(engine if engine.dialect.name == "postgresql" else other) as session:
        known = set(session.scalars(select(Event.event_id)))
        add_trial(session, 9)  # keys go on where they were
        assert min(set(session.scalars(select(Event.event_id))) - known) > max(known)
        assert acquire(session, "another", lambda _: False) == 2  # nobody is live there
    other.dispose()


@pytest.fixture
def backup(sqlite_template: Path, tmp_path: Path) -> Iterator[Path]:
    """A backup of a filled service."""
    shutil.copyfile(sqlite_template, tmp_path / "first.db")
    engine = open_engine(sqlite_url(tmp_path / "first.db"))
    filled(engine, tmp_path / "data")
    backed_up(engine, tmp_path / "data", tmp_path / "backup")
    engine.dispose()
    yield tmp_path / "backup"


def put_back(backup: Path, **changes: bool) -> Restored:
    there = backup.parent / "there"
    return restore(backup, sqlite_url(there / "metaopt.db"), there, **changes)


def test_what_is_damaged_or_lacking_is_said_with_what_it_costs(backup: Path) -> None:
    one, two = sorted(backup.glob("checkpoints/*/*-60-1.safetensors"))
    one.unlink()  # a link to the file of the service: that stays
    two.unlink()
    two.write_text("other bytes")
    (arrays,) = backup.glob("datasets/*.safetensors")
    arrays.unlink()
    lacking = [known.sentence() for known in put_back(backup).lacking]
    study = f"study {'a' * 32}"
    assert len(lacking) == 3
    for number, known in enumerate(lacking[:2]):
        costs = f"trial {number} of {study} goes on from the checkpoint before, or begins anew"
        assert known.startswith("checkpoints/") and known.endswith(costs)
    assert lacking[2].startswith("datasets/") and lacking[2].endswith(f"{study} cannot go on")


def test_a_backup_says_what_it_could_not_get(tmp_path: Path, sqlite_template: Path) -> None:
    shutil.copyfile(sqlite_template, tmp_path / "first.db")
    engine = open_engine(sqlite_url(tmp_path / "first.db"))
    filled(engine, tmp_path / "data")
    one, two = sorted((tmp_path / "data").glob("checkpoints/*/*-60-1.safetensors"))
    one.unlink()
    with transaction(engine) as session:
        session.execute(text("UPDATE mo_trials SET checkpoint_sha256 = 'f'"))
    manifest = backed_up(engine, tmp_path / "data", tmp_path / "backup")
    engine.dispose()
    assert [(known.path.split("/")[-1], known.cause) for known in manifest.lacking] == [
        (one.name, "is not there"),
        (two.name, "is damaged"),
    ]


def newer(backup: Path) -> str:
    change(backup, "9999")
    return "at revision 9999, needed is .*: run metaopt .* or newer"


def older(backup: Path) -> str:
    migrate.downgrade(sqlite_url(backup / "metaopt.db"), "0019")
    change(backup, "0019")
    return "at revision 0019, needed is .*: run `metaopt db restore --upgrade "


def change(backup: Path, revision: str) -> None:
    """Let the manifest be right about another revision of its database."""
    engine = open_engine(sqlite_url(backup / "metaopt.db"))
    with engine.begin() as connection:
        connection.execute(text(f"UPDATE mo_alembic_version SET version_num = '{revision}'"))  # noqa: S608
    engine.dispose()
    path = backup / "manifest.json"
    told = json.loads(path.read_text())
    told["revision"] = revision
    (database,) = (one for one in told["files"] if one["path"] == "metaopt.db")
    database["sha256"] = digest_of(backup / "metaopt.db")
    path.write_text(json.dumps(told))


def damaged(backup: Path) -> str:
    with (backup / "metaopt.db").open("r+b") as file:
        file.seek(5000)
        file.write(b"damage")
    return "metaopt.db is damaged"


def unfinished(backup: Path) -> str:
    (backup / "manifest.json").unlink()
    return "is no backup that was finished"


def no_manifest(backup: Path) -> str:
    (backup / "manifest.json").write_text('{"format": 1, "files": "many"}')
    return "is not the manifest of a backup: "


def of_another_form(backup: Path) -> str:
    path = backup / "manifest.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "format": 2}))
    return "has format 2, this version reads 1: run metaopt "


def with_files_there(backup: Path) -> str:
    (backup.parent / "there" / "checkpoints" / "s").mkdir(parents=True)
    return "checkpoints is not empty, and nothing is overwritten"


def with_rows_there(backup: Path) -> str:
    url = sqlite_url(backup.parent / "there" / "metaopt.db")
    migrate.upgrade(url)
    engine = open_engine(url)
    with transaction(engine) as session:
        add_study(session)
    engine.dispose()
    return r"is not empty \(mo_studies\), and nothing is overwritten"


def with_older_tables_there(backup: Path) -> str:
    migrate.upgrade(sqlite_url(backup.parent / "there" / "metaopt.db"), "0019")
    return r"is not empty \(revision 0019\)"


@pytest.mark.parametrize(
    "spoil",
    [newer, older, damaged, unfinished, no_manifest, of_another_form, with_files_there,
     with_rows_there, with_older_tables_there],
)  # fmt: skip
def test_what_does_not_fit_is_refused_and_nothing_is_touched(
    backup: Path, spoil: Callable[[Path], str]
) -> None:
    why = spoil(backup)
    there = backup.parent / "there"
    before = sorted(there.rglob("*"))
    with pytest.raises(BackupRefused, match=why):
        put_back(backup)
    logs = (".db-wal", ".db-shm")
    after = [one for one in sorted(there.rglob("*")) if one.suffix not in logs]
    assert after == [one for one in before if one.suffix not in logs]


def test_an_older_backup_is_upgraded_if_asked_for(backup: Path) -> None:
    older(backup)
    assert put_back(backup, upgrade=True).rows > 5
    assert revisions.current(sqlite_url(backup.parent / "there" / "metaopt.db")) == revisions.head()


def test_a_manifest_leads_nowhere_else(backup: Path) -> None:
    path = backup / "manifest.json"
    told = json.loads(path.read_text())
    outside = backup.parent / "outside"
    outside.write_text("x")
    for place in ("../outside", "checkpoints/../../outside", str(outside), "programs/x.pt2"):
        told["files"].append({"path": place, "sha256": digest_of(outside), "size_bytes": 1})
    path.write_text(json.dumps(told))
    put_back(backup)
    assert not (backup.parent / "there" / "programs").exists()
    assert not any("outside" in one.name for one in (backup.parent / "there").rglob("*"))


def test_a_backup_is_made_beside_nothing_else(backup: Path) -> None:
    engine = open_engine(sqlite_url(backup.parent / "first.db"))
    with pytest.raises(BackupRefused, match="is there and not an empty directory"):
        backed_up(engine, backup.parent / "data", backup)
    (backup.parent / "next.partial").mkdir()
    with pytest.raises(BackupRefused, match="another backup is being made, or one was broken off"):
        backed_up(engine, backup.parent / "data", backup.parent / "next")
    engine.dispose()
    assert not (backup.parent / "next").exists()
