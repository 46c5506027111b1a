"""What the dispatcher knows of a study's trials."""

from service.db.roles import TrialRole
from service.db.states import TrialStatus
from service.dispatcher.state import Group
from tests.fakes import states


def numbers(trials: list) -> list[int]:
    return [trial.trial_number for trial in trials]


def test_open_trials_are_those_that_have_not_ended_by_number() -> None:
    study = states.study()
    states.asked(study, "reptile", 2)
    first, second = states.asked(study, "maml", 2)
    assert numbers(study.open_trials()) == [0, 1, 2, 3]
    states.move(study, first, TrialStatus.RUNNING)
    states.move(study, second, TrialStatus.DIVERGED)
    assert numbers(study.open_trials()) == [0, 1, 3]
    assert numbers(study.queued()) == [1, 3]
    assert numbers(study.of_role(TrialRole.SEARCH)) == [0, 1, 2, 3]


def test_a_search_has_ended_when_all_was_asked_for_and_has_ended() -> None:
    study = states.study()
    asked = [*states.asked(study, "maml", 3), *states.asked(study, "reptile", 2)]
    for trial in asked:
        states.move(study, trial, TrialStatus.COMPLETED)
    assert not study.search_ended()
    (last,) = states.asked(study, "reptile", 1)
    assert not study.search_ended()
    states.move(study, last, TrialStatus.PRUNED)
    assert study.search_ended()


def test_finalists_keep_no_search_open() -> None:
    study = states.study()
    trials = [*states.asked(study, "maml", 3), *states.asked(study, "reptile", 3)]
    for trial in trials[1:]:
        states.move(study, trial, TrialStatus.COMPLETED)
    trials[0].group = Group(TrialRole.VERDICT, "maml", "")
    study.moved(trials[0])
    assert study.search_ended()
    assert study.open_trials(TrialRole.VERDICT) == study.open_trials() == trials[:1]
