"""What the state is once a step of the ledger is committed."""

from pathlib import Path

import pytest

from service.blobs.directory import DirectoryStore
from service.db.states import AttemptOutcome, TrialStatus
from service.dispatcher.checkpoints import CheckpointStore
from service.dispatcher.pruning.decisions import judge_report
from service.dispatcher.retries import RetryDecision
from service.dispatcher.state import StudyState, TrialState
from service.dispatcher.store import apply
from service.executors.base import LaneReport, SegmentReport
from tests.fakes import states


@pytest.fixture
def blobs(tmp_path: Path) -> DirectoryStore:
    return DirectoryStore(tmp_path)


@pytest.fixture
def store(blobs: DirectoryStore) -> CheckpointStore:
    return CheckpointStore(blobs)


def file(blobs: DirectoryStore, name: str) -> Path:
    path = blobs.workplace("s") / name
    path.write_text("weights")
    return path


def reported(study: StudyState, trial: TrialState, age: int, path: Path) -> None:
    lane = LaneReport(
        trial_id=trial.trial_id, meta_iteration=age, checkpoint=f"s/{path.name}", digest="ab",
        scores=[0.5] * 20, curve=[0.9, 0.5], diverged_share=0.0,
    )  # fmt: skip
    report = SegmentReport([lane], 1.0, 1.0, 0.0, 0, "cpu")
    (outcome,) = judge_report(study, [trial], report, age - trial.meta_iteration)
    apply.outcome(study, CheckpointStore(DirectoryStore(path.parent.parent)), outcome)


def test_a_lane_that_goes_on_has_its_last_two_checkpoints(blobs: DirectoryStore) -> None:
    study = states.study()
    (trial,) = states.asked(study, "maml", 1)
    apply.admitted(trial)
    first, second, third = (file(blobs, name) for name in ("first", "second", "third"))
    reported(study, trial, 60, first)
    assert (trial.status, trial.loss, trial.meta_iteration) == (TrialStatus.RUNNING, 0.5, 60)
    reported(study, trial, 120, second)
    assert (trial.checkpoint, trial.checkpoint_sha256) == ("s/second", "ab")
    assert (trial.previous_checkpoint, trial.previous_meta_iteration) == ("s/first", 60)
    assert first.exists() and second.exists()
    reported(study, trial, 130, third)
    assert (trial.previous_checkpoint, trial.previous_meta_iteration) == ("s/second", 120)
    assert not first.exists() and second.exists() and third.exists()
    reported(study, trial, 130, third)  # looked at again, and the same in every bit
    assert (trial.checkpoint, trial.previous_checkpoint) == ("s/third", "s/second")
    assert second.exists() and third.exists()
    assert study.rung_losses == {("maml", 60): {0: 0.5}, ("maml", 120): {0: 0.5}}


def test_a_trial_of_the_search_leaves_no_file_at_its_end(
    blobs: DirectoryStore, store: CheckpointStore
) -> None:
    study = states.study()
    (trial,) = states.asked(study, "maml", 1)
    apply.admitted(trial)
    path = file(blobs, "last")
    reported(study, trial, 180, path)
    assert (trial.status, trial.checkpoint) == (TrialStatus.COMPLETED, None)
    assert not path.exists()


def test_a_finalist_leaves_its_model(blobs: DirectoryStore, store: CheckpointStore) -> None:
    study = states.study()
    (trial,) = states.asked(study, "maml", 1)
    trial.group = trial.group._replace(role="verdict")
    apply.admitted(trial)
    path = file(blobs, "model")
    reported(study, trial, 180, path)
    assert trial.checkpoint == "s/model" and path.exists()
    assert study.rung_losses == {}


def test_an_attempt_begins_where_the_trial_is() -> None:
    trial = states.trial(meta_iteration=60)
    apply.admitted(trial)
    assert (trial.status, trial.attempt, trial.begun_at) == (TrialStatus.RUNNING, 1, 60)


def test_a_lost_lane_goes_back_into_the_queue_with_its_checkpoint(
    blobs: DirectoryStore, store: CheckpointStore
) -> None:
    path = file(blobs, "kept")
    trial = states.trial(meta_iteration=60, checkpoint="s/kept")
    apply.loss(store, trial, RetryDecision(AttemptOutcome.LOST, "killed", False, 1, True))
    assert (trial.status, trial.attempts, trial.solo) == (TrialStatus.QUEUED, 1, True)
    assert (trial.losses, trial.losses_here, trial.meta_iteration) == (1, 1, 60)
    assert path.exists()


def test_a_damaged_checkpoint_is_given_up_for_the_one_before(
    blobs: DirectoryStore, store: CheckpointStore
) -> None:
    path, before = file(blobs, "damaged"), file(blobs, "before")
    trial = states.trial(
        meta_iteration=60,
        checkpoint="s/damaged",
        checkpoint_sha256="0" * 64,
        previous_checkpoint="s/before",
        previous_sha256="1" * 64,
        previous_meta_iteration=40,
    )
    damaged = RetryDecision(AttemptOutcome.ERROR, "bad", False, 1, False, gives_up=True)
    apply.loss(store, trial, damaged)
    assert (trial.meta_iteration, trial.checkpoint) == (40, "s/before")
    assert (trial.checkpoint_sha256, trial.previous_checkpoint) == ("1" * 64, None)
    assert trial.status == TrialStatus.QUEUED and not path.exists() and before.exists()
    apply.loss(store, trial, damaged)
    assert (trial.meta_iteration, trial.checkpoint, trial.checkpoint_sha256) == (0, None, None)
    assert not before.exists()


def test_a_trial_that_failed_keeps_its_cause_and_no_file(
    blobs: DirectoryStore, store: CheckpointStore
) -> None:
    path = file(blobs, "failed")
    trial = states.trial(checkpoint="s/failed")
    apply.loss(store, trial, RetryDecision(AttemptOutcome.ERROR, "impossible", True, 3, False))
    assert (trial.status, trial.cause) == (TrialStatus.FAILED, "impossible")
    assert not path.exists()


def test_what_a_budget_leaves_ends_without_a_file(
    blobs: DirectoryStore, store: CheckpointStore
) -> None:
    path = file(blobs, "left")
    trial = states.trial(checkpoint="s/left")
    apply.ended(store, trial, TrialStatus.PRUNED, "spent")
    assert (trial.status, trial.cause, trial.checkpoint) == (TrialStatus.PRUNED, "spent", None)
    assert not path.exists()
