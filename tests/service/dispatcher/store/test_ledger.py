"""The ledger: one transaction a step, and the state in memory follows it."""

from pathlib import Path

import pytest
from sqlalchemy import Engine

from service.blobs.directory import DirectoryStore
from service.db.dispatcher import EpochLost, acquire
from service.db.engine import reading, transaction
from service.db.states import AttemptOutcome, TrialStatus
from service.dispatcher.checkpoints import CheckpointStore
from service.dispatcher.retries import RetryDecision
from service.dispatcher.search.ask import ask
from service.dispatcher.state import NewTrial, StudyState
from service.dispatcher.store.ledger import Ledger
from service.dispatcher.store.restore import load_study
from tests.fakes.running import attempts, kinds, log_of, rows
from tests.fakes.specs import small_spec
from tests.fakes.states import NOON
from tests.fakes.studies import submit


@pytest.fixture
def ledger(engine: Engine, tmp_path: Path) -> Ledger:
    with transaction(engine) as session:
        epoch = acquire(session, "test", lambda _: True)
    assert epoch is not None
    return Ledger(engine, epoch, CheckpointStore(DirectoryStore(tmp_path)), lambda: NOON)


@pytest.fixture
def study(engine: Engine) -> StudyState:
    study_id = submit(engine, small_spec(), "running")
    with reading(engine) as session:
        return load_study(session, study_id)


def asked(study: StudyState, count: int) -> list[NewTrial]:
    return ask(study, study.branches["maml"], count)


def test_what_is_asked_for_is_written_with_its_ask_and_admitted(
    engine: Engine, ledger: Ledger, study: StudyState
) -> None:
    new = asked(study, 2)
    ledger.admit(study, "cpu:0", new, [new[0].trial])
    assert [row["status"] for row in rows(engine, study.study_id)] == ["running", "queued"]
    assert [row["ask_index"] for row in rows(engine, study.study_id)] == [0, 1]
    assert len(log_of(engine, study.study_id, "ask")) == 2
    assert [attempt.slot for attempt in attempts(engine, study.study_id)] == ["cpu:0"]
    assert set(study.trials) == {0, 2} and study.trials[0].status == TrialStatus.RUNNING


def test_an_older_epoch_writes_nothing_and_changes_nothing_in_memory(
    engine: Engine, ledger: Ledger, study: StudyState
) -> None:
    with transaction(engine) as session:
        acquire(session, "successor", lambda _: True)
    new = asked(study, 1)
    with pytest.raises(EpochLost):
        ledger.admit(study, "cpu:0", new, [new[0].trial])
    assert rows(engine, study.study_id) == [] and study.trials == {}


def test_lanes_that_are_given_up_wait_with_their_attempt_closed(
    engine: Engine, ledger: Ledger, study: StudyState
) -> None:
    (new,) = asked(study, 1)
    ledger.admit(study, "cpu:0", [new], [new.trial])
    ledger.release(study, [new.trial], "moved")
    (attempt,) = attempts(engine, study.study_id)
    assert (attempt.outcome, attempt.cause) == (AttemptOutcome.EVICTED, "moved")
    assert new.trial.status == TrialStatus.QUEUED


def test_a_trial_that_fails_with_its_worker_is_told_to_its_sampler(
    engine: Engine, ledger: Ledger, study: StudyState
) -> None:
    (new,) = asked(study, 1)
    ledger.admit(study, "cpu:0", [new], [new.trial])
    loss = RetryDecision(AttemptOutcome.LOST, "killed", failed=True, attempts=3, solo=False)
    ledger.lose(study, "cpu:0", [(new.trial, loss)], "killed")
    (row,) = rows(engine, study.study_id)
    assert (row["status"], row["cause"], row["attempts"]) == ("failed", "killed", 3)
    assert len(log_of(engine, study.study_id, "tell")) == 1
    assert kinds(engine, study.study_id, "worker_lost")


def test_queued_trials_are_cancelled_with_their_study_and_no_sampler_is_told(
    engine: Engine, ledger: Ledger, study: StudyState
) -> None:
    (new,) = asked(study, 1)
    ledger.admit(study, "cpu:0", [new], [])
    ledger.end_queued(study, [new.trial], TrialStatus.CANCELLED)
    assert [row["status"] for row in rows(engine, study.study_id)] == ["cancelled"]
    assert log_of(engine, study.study_id, "tell") == []
