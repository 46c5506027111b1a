"""What Optuna's study is told."""

import math

import optuna

from metaopt.goals import Goals
from metaopt.search.samplers.history import End
from metaopt.search.samplers.optuna.study import OptunaStudy, worst_loss
from metaopt.search.space import Float


def study():
    return OptunaStudy(
        {"inner_lr": Float(1e-3, 1.0, log=True)},
        goals=Goals(maximize=False),
        sampler=lambda index: optuna.samplers.RandomSampler(seed=index),
    )


def test_a_diverged_trial_is_told_something_finite_that_is_worse_than_every_score():
    assert worst_loss([]) == 10.0
    assert worst_loss([0.5, 30.0]) == 300.0
    assert math.isfinite(worst_loss([1e308]))
    assert worst_loss([-0.2, -0.9]) == 10.0  # of accuracies


def test_the_penalty_does_not_grow_with_the_number_of_diverged_trials():
    run = study()
    for index in range(3):
        run.begin(index, run.suggest(index))
        run.tell(index, End("diverged"))
    assert [trial.value for trial in run._study.trials] == [10.0] * 3


def test_a_pruned_trial_keeps_its_last_score_at_its_meta_iteration():
    run = study()
    run.begin(0, run.suggest(0))
    run.tell(0, End("pruned", 3.5, 100))
    (trial,) = run._study.trials
    assert trial.state is optuna.trial.TrialState.PRUNED
    assert (trial.value, trial.intermediate_values) == (3.5, {100: 3.5})
