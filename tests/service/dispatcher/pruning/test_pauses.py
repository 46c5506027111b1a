"""asha: who waits at a rung, who is promoted later, and how it ends."""

from service.db.roles import TrialRole
from service.db.states import TrialStatus
from service.dispatcher.pruning.pauses import going_on, never_promotable, ready, waiting
from service.dispatcher.scheduler.placement import askable
from service.dispatcher.state import StudyState, TrialState
from tests.fakes import states

ASHA = {"kind": "asha", "rungs": [60, 120], "reduction": 3}
MAML = [{"algorithm": "maml", "space": {"inner_lr": "default"}}]


def study(trials: int, **changes: object) -> StudyState:
    budget = {"trials": trials, "meta_iterations": 180}
    return states.study(branches=MAML, pruning=ASHA, budget=budget, **changes)


def at_rung(of: StudyState, rung: int, scores: dict[int, float]) -> None:
    """Put trials there, queued, with their scores."""
    for number, score in scores.items():
        states.move(of, of.trials[number], TrialStatus.QUEUED, at=rung)
        of.add_scored(("maml", rung), number, score, {})


def numbers(trials: list[TrialState]) -> list[int]:
    return [trial.trial_number for trial in trials]


def test_a_trial_waits_until_enough_worse_ones_have_come() -> None:
    of = study(9)
    states.asked(of, "maml", 3)
    at_rung(of, 60, {0: 1.0, 1: 2.0})
    assert numbers(waiting(of)) == [0, 1] and numbers(ready(of)) == [2]
    at_rung(of, 60, {2: 3.0})
    assert numbers(waiting(of)) == [1, 2]
    assert numbers(ready(of)) == numbers(going_on(of)) == [0]


def test_a_trial_that_was_lost_between_rungs_does_not_wait() -> None:
    of = study(9)
    states.asked(of, "maml", 1)
    at_rung(of, 60, {0: 1.0})
    states.move(of, of.trials[0], TrialStatus.QUEUED, at=70)
    assert numbers(ready(of)) == [0]


def test_trials_that_wait_leave_their_place_to_new_ones() -> None:
    of = study(40, search={"sampler": "tpe", "startup_trials": 4})
    states.asked(of, "maml", 10)
    assert askable(of, of.branches["maml"]) == 0
    at_rung(of, 60, {0: 1.0, 1: 2.0})
    assert askable(of, of.branches["maml"]) == 2


def test_at_the_end_the_best_goes_on_until_one_has_completed() -> None:
    of = study(2)
    states.asked(of, "maml", 2)
    at_rung(of, 60, {0: 1.0, 1: 2.0})
    assert numbers(ready(of)) == [0] and never_promotable(of) == []
    at_rung(of, 120, {0: 1.0})
    assert numbers(ready(of)) == [0]
    states.move(of, of.trials[0], TrialStatus.COMPLETED)
    assert numbers(never_promotable(of)) == [1]


def test_nobody_waits_in_vain_while_something_trains_or_is_to_come() -> None:
    of = study(3)
    states.asked(of, "maml", 2)
    at_rung(of, 60, {0: 1.0, 1: 2.0})
    assert numbers(waiting(of)) == [0, 1] and never_promotable(of) == []
    states.asked(of, "maml", 1)
    states.move(of, of.trials[2], TrialStatus.RUNNING)
    assert numbers(waiting(of)) == [0, 1] and never_promotable(of) == []


def test_other_pruning_knows_no_waiting() -> None:
    of = states.study(branches=MAML, pruning={**ASHA, "kind": "successive_halving"})
    states.asked(of, "maml", 2)
    at_rung(of, 60, {0: 1.0, 1: 2.0})
    assert waiting(of) == [] and len(going_on(of, TrialRole.SEARCH)) == 2
