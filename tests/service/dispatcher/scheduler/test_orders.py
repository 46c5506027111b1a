"""Orders say how much work may still come, which is what compiling would be for."""

from service.dispatcher.scheduler.orders import lane_iterations_ahead
from tests.fakes import states


def test_what_is_ahead_is_open_trials_trials_to_come_and_finalists() -> None:
    study = states.study(branches=[{"algorithm": "maml", "space": {"inner_lr": "default"}}])
    branch, horizon = study.branches["maml"], study.spec.budget.meta_iterations
    first, second = states.asked(study, "maml", 2)
    first.meta_iteration = 4
    trials = 2 + branch.remaining + study.spec.verdict.trainings()
    assert lane_iterations_ahead(study, second.group) == trials * horizon - 4


def test_what_pruning_will_stop_is_not_ahead() -> None:
    maml = [{"algorithm": "maml", "space": {"inner_lr": "default"}}]
    halving = {"kind": "successive_halving", "reduction": 3, "rungs": [20, 60]}
    study = states.study(branches=maml, pruning=halving)
    (first,) = states.asked(study, "maml", 1)
    branch, fresh_finalists = study.branches["maml"], study.spec.verdict.trainings()
    fresh = 20 + (60 - 20) / 3 + (180 - 60) / 9
    ahead = (1 + branch.remaining) * fresh + fresh_finalists * 180
    assert lane_iterations_ahead(study, first.group) == round(ahead)


def test_what_is_ahead_is_shared_out_to_the_programs_of_a_branch() -> None:
    space = {"order": {"choices": ["first", "second"]}}
    study = states.study(branches=[{"algorithm": "maml", "space": space}])
    trials = states.asked(study, "maml", 3)
    by_group = {t.group: lane_iterations_ahead(study, t.group) for t in trials}
    coming = study.branches["maml"].remaining
    coming += study.spec.verdict.trainings()
    horizon = study.spec.budget.meta_iterations
    assert abs(sum(by_group.values()) - (3 + coming) * horizon) <= len(by_group)
