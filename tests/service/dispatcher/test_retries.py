import pytest

from service.db.states import AttemptOutcome
from service.dispatcher.retries import (
    ALONE,
    MOST_FAILURES,
    MOST_LOSSES,
    TOGETHER,
    decide_retry,
    halved,
)
from service.dispatcher.state import MachineFailures
from service.executors.base import (
    MachineFailed,
    OutOfMemory,
    SegmentFailed,
    StorageFailed,
    WorkerGone,
    WorkerHung,
    WorkerHungIdle,
    WorkerLost,
)
from tests.fakes.states import trial

DEATH = WorkerLost("the worker died: SIGKILL")
INVALID = SegmentFailed("InvalidModel: no", kind="InvalidModel", invalid=True)


def damaged(lane: str) -> SegmentFailed:
    kind = "CorruptCheckpoint"
    return SegmentFailed(f"{kind}: …", kind=kind, invalid=True, lane=lane)


def test_a_death_alone_without_progress_counts_and_the_third_is_the_last() -> None:
    first = decide_retry(trial(), DEATH, alone=True)
    assert (first.failed, first.attempts, first.outcome) == (False, 1, AttemptOutcome.LOST)
    third = decide_retry(trial(attempts=2, losses=2, losses_here=2), DEATH, alone=True)
    assert (third.failed, third.attempts) == (True, 3)
    assert third.cause == "the worker died: SIGKILL"


def test_a_death_alone_after_a_new_checkpoint_does_not_count() -> None:
    loss = decide_retry(trial(attempts=2, begun_at=0, meta_iteration=40), DEATH, alone=True)
    assert (loss.failed, loss.attempts) == (False, 0)


@pytest.mark.parametrize("error", [DEATH, damaged("a"), SegmentFailed("x", kind="RuntimeError")])
@pytest.mark.parametrize("alone", [True, False])
def test_what_was_lost_before_a_new_checkpoint_does_not_count(
    error: Exception, alone: bool
) -> None:
    at = {"meta_iteration": 40, "begun_at": 40, "trial_id": "a"}
    loss = decide_retry(trial(attempts=2, losses=2, losses_here=0, **at), error, alone=alone)
    assert not loss.failed and loss.attempts <= 1
    again = decide_retry(trial(attempts=1, losses=2, losses_here=1, **at), error, alone=alone)
    assert not again.failed and again.attempts == (
        2 if alone or getattr(error, "lane", None) else 1
    )


def test_the_second_joint_death_at_a_checkpoint_sets_lanes_apart() -> None:
    first = decide_retry(trial(), DEATH, alone=False)
    second = decide_retry(trial(losses=1, losses_here=1), DEATH, alone=False)
    assert (first.solo, first.attempts) == (False, 0)
    assert (second.solo, second.attempts) == (True, 0)


def test_joint_deaths_with_progress_in_between_set_nobody_apart() -> None:
    assert not decide_retry(trial(losses=5, losses_here=0), DEATH, alone=False).solo


def test_an_error_among_others_sets_lanes_apart_and_counts_for_nobody() -> None:
    loss = decide_retry(trial(), INVALID, alone=False)
    assert (loss.solo, loss.attempts, loss.failed) == (True, 0, False)
    assert loss.outcome == AttemptOutcome.ERROR


def test_an_invalid_order_alone_fails_at_once() -> None:
    assert decide_retry(trial(), INVALID, alone=True).failed


def test_another_error_alone_is_tried_again() -> None:
    loss = decide_retry(
        trial(), SegmentFailed("RuntimeError: cuda", kind="RuntimeError"), alone=True
    )
    assert (loss.failed, loss.attempts) == (False, 1)


def test_a_damaged_checkpoint_is_given_up() -> None:
    one = trial(meta_iteration=40, begun_at=40, trial_id="a")
    for alone in (True, False):
        loss = decide_retry(one, damaged("a"), alone=alone)
        assert (loss.gives_up, loss.failed, loss.attempts) == (True, False, 1)
        assert loss.outcome == AttemptOutcome.ERROR


def test_an_error_that_names_a_lane_is_no_fault_of_the_others() -> None:
    for error in (damaged("a"), SegmentFailed("bad", kind="InvalidPopulation", invalid=True)):
        error.lane = "a"
        other = decide_retry(trial(trial_id="b", losses=MOST_LOSSES - 1), error, alone=False)
        assert (other.attempts, other.solo, other.failed, other.gives_up) == (
            0,
            False,
            False,
            False,
        )
        assert (other.is_loss, other.outcome) == (False, AttemptOutcome.EVICTED)
    assert decide_retry(trial(trial_id="a"), error, alone=False).failed  # as invalid next time


def test_out_of_memory_counts_only_alone() -> None:
    together = decide_retry(trial(), OutOfMemory("out of memory"), alone=False)
    assert (together.attempts, together.is_loss, together.solo) == (0, False, False)
    third = trial(attempts=2, losses=2, losses_here=2)
    assert decide_retry(third, OutOfMemory("out of memory"), alone=True).failed


def test_a_worker_that_could_not_start_counts_for_nobody() -> None:
    loss = decide_retry(trial(attempts=2), WorkerGone("no device"), alone=True)
    assert (loss.failed, loss.attempts, loss.is_loss) == (False, 2, False)


def test_a_hang_among_others_sets_lanes_apart_and_alone_is_an_attempt() -> None:
    hung = WorkerHung("hung: no sign of progress for 61 s while training; it was killed")
    together = decide_retry(trial(), hung, alone=False)
    assert (together.solo, together.attempts, together.failed) == (True, 0, False)
    alone = decide_retry(trial(attempts=2, losses_here=1), hung, alone=True)
    assert (alone.failed, alone.attempts, alone.outcome) == (True, 3, AttemptOutcome.LOST)
    assert "hung" in alone.cause
    idle = decide_retry(trial(attempts=2), WorkerHungIdle("hung"), alone=True)
    assert (idle.failed, idle.attempts, idle.is_loss) == (False, 2, False)


FULL = MachineFailed("OSError: [Errno 28] No space left on device", kind="OSError")


def test_a_full_disk_counts_for_nobody() -> None:
    for alone in (True, False):
        loss = decide_retry(trial(attempts=2, losses=MOST_LOSSES), FULL, alone=alone)
        assert (loss.failed, loss.attempts, loss.is_loss, loss.solo) == (False, 2, False, False)
        assert loss.outcome == AttemptOutcome.EVICTED


def test_a_machine_that_fails_again_and_again_sets_lanes_apart() -> None:
    apart = decide_retry(trial(machine=MachineFailures(failures=TOGETHER)), FULL, alone=False)
    assert (apart.solo, apart.failed, apart.is_loss) == (True, False, False)


def test_a_machine_that_fails_for_all_fails_no_trial_for_hours() -> None:
    failures = MachineFailures()
    for _ in range(MOST_FAILURES - 1):
        failures = failures.one_more(reports=7)
        assert not decide_retry(trial(machine=failures), FULL, alone=True).failed
    failures = failures.one_more(reports=7)
    assert decide_retry(trial(machine=failures), FULL, alone=True).failed


def test_a_machine_that_fails_for_one_and_works_for_others_ends_that_one() -> None:
    failures = MachineFailures()
    for reports in range(ALONE):
        failures = failures.one_more(reports)
        assert not decide_retry(trial(machine=failures), FULL, alone=True).failed
    failures = failures.one_more(ALONE)
    assert not decide_retry(trial(machine=failures), FULL, alone=False).failed
    ended = decide_retry(trial(machine=failures), FULL, alone=True)
    assert (ended.failed, ended.attempts, ended.cause) == (True, 0, str(FULL))


def test_a_disk_that_is_away_is_no_trials_fault_whatever_others_do() -> None:
    away, failures = StorageFailed("No space left on device"), MachineFailures()
    for reports in range(10 * MOST_LOSSES):
        failures = failures.one_more(reports, of_all=True)
        decided = decide_retry(trial(machine=failures), away, alone=True)
        assert (decided.failed, decided.attempts, decided.solo) == (False, 0, False)


def test_losses_end_somewhere() -> None:
    assert decide_retry(trial(losses=MOST_LOSSES - 1, meta_iteration=9), DEATH, alone=False).failed
    assert not decide_retry(trial(losses=MOST_LOSSES - 2), DEATH, alone=False).failed


def test_a_halved_group_has_at_least_one_lane() -> None:
    assert [halved(lanes) for lanes in (16, 3, 1)] == [8, 1, 1]
