"""What is deleted from the disk, when, and by whom."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, event

from metaopt.algorithms.registry import complete
from service.blobs.base import MARK
from service.blobs.directory import DirectoryStore
from service.db.dispatcher import EpochLost, acquire
from service.db.engine import transaction
from service.db.tables import Trial
from service.dispatcher.checkpoints import CheckpointStore
from service.dispatcher.leadership import takeover
from service.dispatcher.leadership.files import Disk
from service.dispatcher.store.ledger import Ledger
from tests.fakes.rows import add_report, add_trial
from tests.fakes.specs import small_spec
from tests.fakes.studies import submit


def take_over(engine: Engine) -> int:
    with transaction(engine) as session:
        epoch = acquire(session, "test", lambda _: True)
    assert epoch is not None
    return epoch


def ledger_of(engine: Engine, root: Path) -> Ledger:
    store = CheckpointStore(DirectoryStore(root))
    return Ledger(engine, take_over(engine), store, lambda: datetime.now(UTC))


def checkpoint(root: Path, study_id: str) -> Path:
    path = DirectoryStore(root).workplace(study_id) / "t-10"
    path.write_text("10")
    return path


def test_loading_deletes_only_while_the_epoch_stands(engine: Engine, tmp_path: Path) -> None:
    study_id = submit(engine, small_spec(), "running")
    ledger = ledger_of(engine, tmp_path)
    orphan = checkpoint(tmp_path, study_id)
    assert takeover.load(ledger, study_id) is not None
    assert not orphan.exists()
    of_successor = checkpoint(tmp_path, study_id)
    take_over(engine)
    with pytest.raises(EpochLost):
        takeover.load(ledger, study_id)
    assert of_successor.exists()


def test_a_writer_does_not_wait_while_a_study_is_loaded(engine: Engine, tmp_path: Path) -> None:
    study_id = submit(engine, small_spec(), "running")
    ledger, written = ledger_of(engine, tmp_path), []

    def write(_connection: Any, _cursor: Any, sql: str, *_: Any) -> None:
        if "mo_trials" in sql and not written:  # in the middle of what is read
            written.append(sql)
            with ThreadPoolExecutor(1) as other:  # a lock would never be released
                other.submit(submit, engine, small_spec()).result()

    event.listen(engine, "after_cursor_execute", write)
    assert takeover.load(ledger, study_id) is not None
    assert written


def test_a_long_study_is_loaded_by_as_many_queries_as_a_short_one(
    engine: Engine, tmp_path: Path
) -> None:
    ledger = ledger_of(engine, tmp_path)
    race = small_spec(pruning={"kind": "race", "rungs": [60]})
    sent: list[str] = []
    event.listen(engine, "before_cursor_execute", lambda *seen: sent.append(seen[2]))

    def queries(trials: int) -> int:
        study_id = submit(engine, race, "running")
        with transaction(engine) as session:
            for number in range(trials):
                trial = add_trial(
                    session, number, "queued", study_id=study_id, params=complete("maml", {})
                )
                add_report(session, trial, 60, 0.5 + number)
        sent.clear()
        study = takeover.load(ledger, study_id)
        assert study is not None and len(study.trials) == trials
        return len(sent)

    assert queries(40) == queries(2)


def test_what_ended_studies_left_is_deleted(engine: Engine, tmp_path: Path) -> None:
    ledger = ledger_of(engine, tmp_path)
    disk = Disk(ledger)
    assert disk.is_there()

    def left_by(status: str) -> Path:
        return checkpoint(tmp_path, submit(engine, small_spec(), status))

    kept = [left_by("paused"), left_by("running")]
    left = [left_by("completed"), left_by("cancelled")]
    under_way = submit(engine, small_spec(), "cancelled")  # a worker may write there yet
    kept.append(checkpoint(tmp_path, under_way))
    disk.tidy({under_way})
    assert [path.exists() for path in kept] == [True, True, True]
    assert [path.parent.exists() for path in left] == [False, False]


def open_trial(study_id: str, **columns: Any) -> Trial:
    return Trial(
        trial_id="t",
        study_id=study_id,
        trial_number=0,
        branch="maml",
        params={},
        seed=1,
        created_at=datetime.now(UTC),
        **columns,
    )


def test_a_directory_that_rows_name_files_in_is_never_made_anew(
    engine: Engine, tmp_path: Path
) -> None:
    root, elsewhere = tmp_path / "checkpoints", tmp_path / "unmounted"
    ledger = ledger_of(engine, root)
    assert Disk(ledger).is_there()
    study_id = submit(engine, small_spec(), "running")
    path = checkpoint(root, study_id)
    with transaction(engine) as session:
        session.add(open_trial(study_id, checkpoint=f"{study_id}/{path.name}"))
    root.rename(elsewhere)
    for make in (lambda: None, root.mkdir):  # not there; a mount point with nothing on it
        make()
        away = Disk(ledger)
        assert not away.is_there()
        assert "is its disk mounted?" in (away.fault or "")
    assert list(root.iterdir()) == []
    root.rmdir()
    elsewhere.rename(root)
    assert away.is_there() and away.fault is None
    (root / MARK).unlink()  # as an earlier version left it: known again by its files
    assert Disk(ledger).is_there() and (root / MARK).is_file()
