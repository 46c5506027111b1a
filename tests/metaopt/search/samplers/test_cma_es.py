"""CMA-ES."""

import numpy as np

from metaopt.goals import Goals
from metaopt.search.branches import BranchSearch
from metaopt.search.samplers.cma_es import CmaEs, generation_ranks
from metaopt.search.samplers.history import End
from metaopt.search.space import Float, Int

SPACE = {
    "inner_lr": Float(1e-4, 1.0, log=True),
    "outer_lr": Float(1e-5, 1e-1, log=True),
    "momentum": Float(0.0, 1.0),
    "steps": Int(1, 20),
}
BEST = {"inner_lr": 0.1, "outer_lr": 1e-3, "momentum": 0.8, "steps": 6}


def search():
    return BranchSearch(
        SPACE,
        sampler="cma-es",
        study_seed=1,
        branch="maml",
        startup_trials=0,
    )


def loss(params):
    far = np.log10(params["inner_lr"] / 0.1), np.log10(params["outer_lr"] / 1e-3)
    return far[0] ** 2 + far[1] ** 2 + (params["momentum"] - 0.8) ** 2 + (params["steps"] - 6) ** 2


def test_it_finds_the_best_point_with_five_trials_open():
    run = search()
    open_trials, losses = {}, []
    for number in range(250):
        open_trials[number] = run.ask(number)
        if len(open_trials) == 5:
            ended = min(open_trials)
            losses.append(loss(open_trials.pop(ended)))
            run.tell(ended, "completed", losses[-1], 100)
    assert min(losses) < 0.02
    assert np.median(losses[-30:]) < 0.1 * np.median(losses[:30])


def test_it_learns_from_pruned_and_diverged_trials():
    run, late = search(), []
    for number in range(200):
        params = run.ask(number)
        if params["inner_lr"] > 0.3:
            run.tell(number, "diverged")
        elif loss(params) > 4.0:
            run.tell(number, "pruned", loss(params), 10, {10: loss(params)})
        else:
            scores = {10: loss(params), 30: loss(params)}
            run.tell(number, "completed", loss(params), 30, scores)
        late.append(loss(params) if params["inner_lr"] <= 0.3 else 100.0)
    assert np.median(late[-30:]) < 0.1


def test_a_generation_is_ranked_at_the_rung_that_half_of_it_reached():
    ends = [
        End("diverged", losses={10: 0.1}),
        End("pruned", 0.5, 10, {10: 0.5}),
        End("pruned", 0.6, 30, {10: 0.2, 30: 0.6}),
        End("completed", 0.9, 90, {10: 0.3, 30: 0.5, 90: 0.9}),
        End("pruned", 0.4, 10, {10: 0.4}),
        End("completed", 0.1, 90, {10: 0.3, 30: 0.4, 90: 0.1}),
    ]
    # at rung 30: 0.4, 0.5, 0.6; then those pruned at 10: 0.4, 0.5; then the diverged one
    assert generation_ranks(ends, Goals(maximize=False)) == [5, 4, 2, 1, 3, 0]
    assert generation_ranks([End("diverged")] * 3, Goals(maximize=False)) == [0, 0, 0]


def test_it_goes_on_after_it_has_converged():
    line = {"x": Float(0.0, 1.0), "y": Float(0.0, 1.0)}
    run = CmaEs(line, goals=Goals(maximize=False), seed=lambda index: index)
    populations = set()
    for index in range(1500):
        point = run.suggest(index)
        run.begin(index, point)
        value = (point["x"] - 0.3) ** 2 + (point["y"] - 0.6) ** 2
        run.tell(index, End("completed", value, 10, {10: value}))
        populations.add(run._strategy.population_size)
    assert len(populations) > 1


def test_a_failed_trial_and_one_of_an_old_generation_do_not_count():
    run = search()
    for number in range(40):
        run.ask(number)
    run.tell(0, "failed")
    for number in range(1, 39):
        run.tell(number, "completed", 1.0, 10)
    before = run.ask(100)
    run.tell(39, "completed", -100.0, 10)
    run.tell(100, "cancelled")
    assert 1e-4 <= before["inner_lr"] <= 1.0
