"""Orders say how much work may still come, which is what compiling would be for."""

from dataclasses import replace
from pathlib import Path

from service.blobs.directory import DirectoryStore
from service.dispatcher.checkpoints import CheckpointStore
from service.dispatcher.scheduler.orders import lane_iterations_ahead, segment_order
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


def test_an_order_says_what_time_the_budget_leaves(tmp_path: Path) -> None:
    def seconds_left(**budget: float) -> float | None:
        study = states.study(budget={"trials": 4, "meta_iterations": 180, **budget})
        study.spent = replace(study.spent, device_seconds=20.0, wall_seconds=10.0)
        (trial,) = states.asked(study, "maml", 1)
        return segment_order(
            study,
            trial.group,
            states.slot(),
            keep=[],
            admit=[trial],
            store=CheckpointStore(DirectoryStore(tmp_path)),
            segment_seconds=5.0,
            ahead=1000,
            workers=2,
        ).seconds_left

    assert seconds_left() is None
    assert seconds_left(device_seconds=120) == 100.0
    assert seconds_left(device_seconds=120, wall_seconds=30) == 40.0
    assert seconds_left(wall_seconds=5) == 0.0
