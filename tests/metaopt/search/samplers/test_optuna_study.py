"""What Optuna's study is told."""

import math

import optuna

from metaopt.goals import Goals
from metaopt.search.samplers.history import End
from metaopt.search.samplers.optuna_study import OptunaStudy, worst_value
from metaopt.search.space import Float


def study():
    return OptunaStudy(
        {"inner_lr": Float(1e-3, 1.0, log=True)},
        goals=Goals(maximize=False),
        sampler=lambda index: optuna.samplers.RandomSampler(seed=index),
    )


def test_a_diverged_trial_is_told_something_finite_that_is_worse_than_every_score():
    assert worst_value([], maximize=False) == 10.0
    assert worst_value([0.5, 30.0], maximize=False) == 300.0
    assert math.isfinite(worst_value([1e308], maximize=False))
    assert worst_value([0.2, 0.9], maximize=True) == 0.0
    assert worst_value([-3.0], maximize=True) == -3.0


def test_the_penalty_does_not_grow_with_the_number_of_diverged_trials():
    run = study()
    for index in range(3):
        run.asked(index, run.suggest(index))
        run.told(index, End("diverged"))
    assert [trial.value for trial in run._study.trials] == [10.0] * 3


def test_a_pruned_trial_keeps_its_last_score_at_its_meta_iteration():
    run = study()
    run.asked(0, run.suggest(0))
    run.told(0, End("pruned", 3.5, 100))
    (trial,) = run._study.trials
    assert trial.state is optuna.trial.TrialState.PRUNED
    assert (trial.value, trial.intermediate_values) == (3.5, {100: 3.5})
