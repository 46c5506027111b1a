"""What is deleted from the disk, when, and by whom."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import Engine

from service.db.dispatcher import EpochLost, acquire
from service.db.engine import transaction
from service.db.tables import Trial
from service.dispatcher.checkpoints import CheckpointStore
from service.dispatcher.leadership import takeover
from service.dispatcher.store.ledger import Ledger
from tests.fakes.specs import small_spec
from tests.fakes.studies import submit


def take_over(engine: Engine) -> int:
    with transaction(engine) as session:
        epoch = acquire(session, "test", lambda _: True)
    assert epoch is not None
    return epoch


def ledger_of(engine: Engine, root: Path) -> Ledger:
    return Ledger(engine, take_over(engine), CheckpointStore(root), lambda: datetime.now(UTC))


def checkpoint(ledger: Ledger, study_id: str) -> Path:
    path = Path(ledger.store.directory(study_id)) / "t-10"
    path.write_text("10")
    return path


def test_loading_deletes_only_while_the_epoch_stands(engine: Engine, tmp_path: Path) -> None:
    study_id = submit(engine, small_spec(), "running")
    ledger = ledger_of(engine, tmp_path)
    orphan = checkpoint(ledger, study_id)
    assert takeover.load(ledger, study_id) is not None
    assert not orphan.exists()
    of_successor = checkpoint(ledger, study_id)
    take_over(engine)
    with pytest.raises(EpochLost):
        takeover.load(ledger, study_id)
    assert of_successor.exists()


def test_a_takeover_deletes_what_ended_studies_left(engine: Engine, tmp_path: Path) -> None:
    ledger = ledger_of(engine, tmp_path)
    kept = [checkpoint(ledger, submit(engine, small_spec(), s)) for s in ("paused", "running")]
    left = [checkpoint(ledger, submit(engine, small_spec(), s)) for s in ("completed", "cancelled")]
    takeover.take_over(ledger)
    assert [path.exists() for path in kept] == [True, True]
    assert [path.parent.exists() for path in left] == [False, False]


def test_a_study_cancelled_while_not_loaded_leaves_no_files(engine: Engine, tmp_path: Path) -> None:
    ledger = ledger_of(engine, tmp_path)
    study_id = submit(engine, small_spec(), "cancelled")
    with transaction(engine) as session:
        session.add(open_trial(study_id))
    left = checkpoint(ledger, study_id)
    takeover.refresh(ledger, [study_id])
    assert left.exists()
    takeover.refresh(ledger, [])
    assert not left.parent.exists()


def open_trial(study_id: str) -> Trial:
    return Trial(
        trial_id="t",
        study_id=study_id,
        trial_number=0,
        branch="maml",
        params={},
        seed=1,
        created_at=datetime.now(UTC),
    )
