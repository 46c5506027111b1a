"""A study whose checkpoints are in an object store: killed, moved to another disk, backed up."""

import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine

from service.backup.backup import back_up
from service.backup.restore import restore
from service.blobs.base import BlobStore
from service.blobs.opening import open_blobs
from service.blobs.place import Place
from service.database_url import sqlite_url
from service.db.engine import open_engine, reading
from service.db.tables import Study
from service.invariants.check import Seen, check
from service.invariants.violation import Violation
from tests.fakes.objects import BUCKET, SECRET, ObjectServer
from tests.fakes.processes import DispatcherProcess, kill
from tests.fakes.running import attempts, result, rows
from tests.fakes.specs import small_spec
from tests.fakes.studies import submit
from tests.waiting import wait_until

pytestmark = [
    pytest.mark.slow,
    pytest.mark.parametrize("database_url", ["sqlite"], indirect=True),
]
URL = f"s3://{BUCKET}/of-team"
SPEC: dict[str, Any] = {
    "branches": [{"algorithm": "maml", "space": {"inner_lr": {"low": 0.005, "high": 0.05}}}],
    "budget": {"trials": 3, "meta_iterations": 1500},
    "pruning": {"kind": "none"},
    "verdict": {"finalists": 1, "seeds": 1, "compare": "none"},
    "evaluation": {"tasks": 10},
}


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[ObjectServer]:
    one = ObjectServer()
    one.use(monkeypatch)  # also for the processes that are started from here
    yield one
    one.close()


def opened(copies: Path, url: str = URL) -> BlobStore:
    return open_blobs(Place(url, copies / "none", copies, 2**30))


def dispatcher(database_url: str, data: Path) -> DispatcherProcess:
    settings = {
        "METAOPT_BLOBS_URL": URL,
        "METAOPT_COMPILE": "never",
        "METAOPT_SEGMENT_SECONDS": "0.6",  # each puts a file for each lane
    }
    return DispatcherProcess(database_url, data, **settings)


def resumed(engine: Engine, study_id: str) -> bool:
    found = attempts(engine, study_id)
    return any(one.from_meta_iteration > 0 for one in found)


def test_a_study_outlives_its_disk_and_leaves_nothing_in_the_store(
    engine: Engine, database_url: str, server: ObjectServer, tmp_path: Path
) -> None:
    study_id = submit(engine, small_spec(**SPEC))
    first, blobs = dispatcher(database_url, tmp_path / "first"), opened(tmp_path / "looked-at")
    try:
        wait_until(lambda: all_kept(engine, study_id), 120, what="checkpoints")
        for pid in first.workers():
            environment = Path(f"/proc/{pid}/environ").read_bytes()
            assert SECRET.encode() not in environment and b"AWS_" not in environment
        kill(first.workers()[0])
        wait_until(lambda: resumed(engine, study_id), 120, what="a trial that goes on")
        named = {trial["checkpoint"] for trial in rows(engine, study_id)} - {None}
    finally:
        first.kill()
        first.close()
    assert all(name.startswith(f"{study_id}/") for name in named)
    assert not (tmp_path / "first" / "checkpoints").exists()
    seen = Seen(tmp_path / "first", blobs=blobs)
    assert of_files(engine, seen) == []
    before = {trial["trial_number"]: trial["meta_iteration"] for trial in rows(engine, study_id)}
    assert min(before.values()) > 0
    second = dispatcher(database_url, tmp_path / "second")  # another machine, and disk
    try:
        wait_until(lambda: ended(engine, study_id), 120, what="the end of the study")
        wait_until(lambda: blobs.keys(study_id) == set(), what="a store without its files")
    finally:
        second.close()
    ages = [one.from_meta_iteration for one in attempts(engine, study_id)]
    assert any(age >= min(before.values()) for age in ages)
    assert result(engine, study_id)["weights_sha256"] is not None
    assert not any(trial["attempts"] > 1 for trial in rows(engine, study_id))
    blobs.close()


def test_a_store_that_is_away_costs_time_and_no_trial(
    engine: Engine, database_url: str, server: ObjectServer, tmp_path: Path
) -> None:
    study_id = submit(engine, small_spec(**SPEC))
    one = dispatcher(database_url, tmp_path / "data")
    try:
        wait_until(lambda: all_kept(engine, study_id), 120, what="checkpoints")
        server.freeze()
        wait_until(lambda: "checkpoints_away" in one.log(), 60, what="a store that is away")
        server.thaw()
        wait_until(lambda: ended(engine, study_id), 120, what="the end of the study")
    finally:
        one.close()
    assert {trial["status"] for trial in rows(engine, study_id)} == {"completed"}
    assert not any(trial["attempts"] for trial in rows(engine, study_id))
    assert "checkpoints_back" in one.log() and SECRET not in one.log()


def test_a_backup_has_what_is_in_the_store_and_puts_it_into_another(
    engine: Engine, database_url: str, server: ObjectServer, tmp_path: Path
) -> None:
    study_id = submit(engine, small_spec(**SPEC))
    one = dispatcher(database_url, tmp_path / "data")
    try:
        wait_until(lambda: all_kept(engine, study_id), 120, what="checkpoints")
        blobs = opened(tmp_path / "copies")
        manifest = back_up(
            engine, tmp_path / "data", tmp_path / "backup", now=datetime.now(UTC), blobs=blobs
        )
    finally:
        one.close()
    assert manifest.lacking == []
    assert sum(file.path.startswith("checkpoints/") for file in manifest.files) >= 3
    other = opened(tmp_path / "other-copies", f"s3://{BUCKET}/of-another")
    url = sqlite_url(tmp_path / "restored.db")
    done = restore(tmp_path / "backup", url, tmp_path / "other", blobs=other)
    assert done.lacking == [] and done.files == len(manifest.files) - 1
    restored = open_engine(url)
    assert of_files(restored, Seen(tmp_path / "other", blobs=other)) == []
    restored.dispose()
    other.close()
    blobs.close()


def test_a_store_that_cannot_be_used_is_said_at_once(
    database_url: str, engine: Engine, tmp_path: Path
) -> None:
    wrong = {"METAOPT_BLOBS_URL": "s3://bucket/with?query"}
    one = DispatcherProcess(database_url, tmp_path / "data", **wrong)
    wait_until(lambda: not os.path.exists(f"/proc/{one.pid}/exe"), 60, what="the end of it")
    assert "must be s3://BUCKET" in one.log()
    one.close()


def ended(engine: Engine, study_id: str) -> bool:
    with reading(engine) as session:
        return session.get_one(Study, study_id).status == "completed"


def of_files(engine: Engine, seen: Seen) -> list[Violation]:
    """What is wrong with files; that nobody runs the study at the moment is as it must be."""
    return [one for one in check(engine, seen).violations if one.rule == "files"]


def all_kept(engine: Engine, study_id: str) -> bool:
    trials = rows(engine, study_id)
    return len(trials) >= 3 and all(trial["checkpoint"] for trial in trials[:3])
