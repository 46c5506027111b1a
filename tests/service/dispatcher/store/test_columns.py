"""What a row and a trial in memory share."""

from service.db.states import AttemptOutcome, TrialStatus
from service.db.tables import Spending, Trial
from service.db.trials import Attempted
from service.dispatcher.state import Spent
from service.dispatcher.store.columns import row_of, sums_of, trial_of
from tests.fakes import states
from tests.fakes.states import NOON


def attempt(number: int, begun_at: int, outcome: AttemptOutcome) -> Attempted:
    return Attempted(number, begun_at, outcome, "gone")


def test_a_new_trial_is_the_one_that_its_row_gives_back() -> None:
    trial = states.asked(states.study(), "maml", 1)[0]
    row = Trial(**row_of(trial, study_id="s", ask_index=4, created_at=NOON))
    assert (row.study_id, row.role, row.branch, row.ask_index) == ("s", "search", "maml", 4)
    assert trial_of(row, trial.group, [], to_loss=lambda score: -score) == trial


def test_a_score_is_a_loss_in_memory() -> None:
    trial = states.asked(states.study(), "maml", 1)[0]
    row = Trial(**row_of(trial, study_id="s", ask_index=0, created_at=NOON))
    row.score, row.metrics, row.status = 0.75, {"diverged_share": 0.0}, "completed"
    read = trial_of(row, trial.group, [], to_loss=lambda score: -score)
    assert (read.loss, read.metrics) == (-0.75, {"diverged_share": 0.0})
    assert read.status is TrialStatus.COMPLETED


def test_losses_at_the_present_checkpoint_are_counted_apart() -> None:
    trial = states.asked(states.study(), "maml", 1)[0]
    row = Trial(**row_of(trial, study_id="s", ask_index=0, created_at=NOON))
    row.meta_iteration = 60
    attempts = [
        attempt(1, 0, AttemptOutcome.LOST),  # it had come to 60
        attempt(2, 60, AttemptOutcome.EVICTED),
        attempt(3, 60, AttemptOutcome.ERROR),
    ]
    read = trial_of(row, trial.group, attempts, to_loss=float)
    assert (read.attempt, read.begun_at, read.losses, read.losses_here) == (3, 60, 2, 2)
    attempts[0] = attempts[0]._replace(outcome=AttemptOutcome.FINISHED)
    assert trial_of(row, trial.group, attempts, to_loss=float).losses_here == 1


def test_sums_of_a_search_are_the_same_in_memory_and_in_their_row() -> None:
    sums = sums_of(Spent(1.0, 2.0, 3, best_loss=0.5, trials_since_best=7))
    assert sums == {"wall_seconds": 1.0, "device_seconds": 2.0, "meta_iterations": 3}
    assert sums_of(Spending(study_id="s", **sums)) == sums
