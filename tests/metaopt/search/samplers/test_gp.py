"""The Gaussian process."""

import math
import tracemalloc

import numpy as np
import pytest

from metaopt.search.branches import BranchSearch
from metaopt.search.samplers.gp import ceiling, learned_losses
from metaopt.search.samplers.history import End, TrialRecord
from metaopt.search.samplers.qmc import Qmc
from metaopt.search.space import Float, Int, contains

SPACE = {"inner_lr": Float(1e-4, 1.0, log=True), "outer_lr": Float(1e-5, 1e-1, log=True)}


def search(sampler="gp", startup_trials=6, study_seed=1):
    return BranchSearch(
        SPACE,
        sampler=sampler,
        study_seed=study_seed,
        branch="maml",
        startup_trials=startup_trials,
    )


def loss(params):
    return math.log10(params["inner_lr"] / 0.03) ** 2 + math.log10(params["outer_lr"] / 1e-3) ** 2


def of(*ends):
    return [TrialRecord({}, end) for end in ends]


def test_it_starts_with_quasi_random_points_and_finds_the_best_one_soon():
    run, losses = search(), []
    start = search("qmc")
    for number in range(16):
        params = run.ask(number)
        if number < 6:
            assert params == start.ask(number)
        losses.append(loss(params))
        run.tell(number, "completed", losses[-1], 100)
    assert min(losses[6:]) < 0.02 < min(losses[:6])


def test_it_learns_from_trials_of_which_none_completed():
    run, losses = search(), []
    for number in range(16):
        losses.append(loss(run.ask(number)))
        run.tell(number, "pruned", losses[-1], 10, {10: losses[-1]})
    assert min(losses) < 0.05


def test_trials_asked_for_together_do_not_crowd():
    run = search(startup_trials=4)
    for number in range(4):
        run.tell(number, "completed", loss(run.ask(number)), 100)
    together = [run.ask(number) for number in range(4, 8)]
    places = np.array([[math.log10(p["inner_lr"]), math.log10(p["outer_lr"])] for p in together])
    apart = np.linalg.norm(places[:, None] - places[None], axis=-1)[np.triu_indices(4, 1)]
    assert apart.min() > 0.05


def test_the_model_is_of_the_largest_rung_with_enough_scores():
    low = [End("pruned", 1.0 + n, 10, {10: 1.0 + n}) for n in range(3)]
    high = [End("completed", 0.1 * n, 30, {10: 0.5, 30: 0.1 * n}) for n in range(5)]
    losses = learned_losses(of(*low, *high), dimensions=2)
    assert losses == {
        i: pytest.approx(v) for i, v in enumerate([0.4] * 3 + [0, 0.1, 0.2, 0.3, 0.4])
    }
    lower = learned_losses(of(*low, *high), dimensions=3)
    assert list(lower.values()) == [1.0, 2.0, 3.0] + [0.5] * 5


def test_diverged_trials_count_as_the_worst_seen_and_failed_ones_not_at_all():
    ends = [
        End("completed", 0.2, 10, {10: 0.2}),
        End("diverged", losses={5: 0.1}),
        End("completed", 0.4, 10, {10: 0.4}),
        End("failed"),
    ]
    running = TrialRecord({})
    learned = learned_losses([*of(*ends), running], dimensions=1)
    assert learned == {0: 0.2, 1: 0.4, 2: 0.4}
    assert learned_losses(of(End("diverged"), End("diverged")), dimensions=1) == {}


def test_one_huge_score_does_not_hide_the_differences_among_the_good_ones():
    assert ceiling([0.1, 0.2, 0.3, 1e6]) == pytest.approx(0.25 + 3 * 0.15)
    assert ceiling([0.1, 0.2, 0.3]) == 0.3
    assert ceiling([0.5, 0.5, 0.5, 4.0]) == 4.0  # no distance to measure by
    assert ceiling([2.0]) == 2.0


def test_only_diverged_trials_leave_it_at_its_start():
    run = search(startup_trials=3)
    start = Qmc(dict(sorted(SPACE.items())), 0)
    for number in range(5):
        run.ask(number)
        run.tell(number, "diverged")
    assert run.slow_asks(1) == 0
    assert set(run.ask(5)) == set(start.suggest(5))


def test_whole_numbers_of_very_many_are_not_listed():
    space = {"x": Int(1, 2**24, log=True), "y": Int(0, 3)}
    run = BranchSearch(space, sampler="gp", study_seed=1, branch="maml", startup_trials=3)
    for number in range(3):
        run.tell(number, "completed", float(run.ask(number)["y"]), 100)
    tracemalloc.start()
    points = [run.ask(number) for number in range(3, 6)]
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert run.failure is None and most < 50e6
    assert all(contains(space[name], point[name]) for point in points for name in space)
    assert {type(value) for point in points for value in point.values()} == {int}
