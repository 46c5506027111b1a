"""The automatic choice."""

import pytest

from metaopt.search.branches import BranchSearch
from metaopt.search.samplers.auto import GP_TRIALS
from metaopt.search.space import Choice, Float

RANGES = {"x": Float(0.0, 1.0), "y": Float(0.0, 1.0)}
MIXED = {**RANGES, "order": Choice(("first", "second"))}


def search(sampler, space, startup_trials=4):
    return BranchSearch(
        space,
        sampler=sampler,
        study_seed=1,
        branch="maml",
        startup_trials=startup_trials,
    )


def run_both(one, other, numbers):
    """Ask both, tell both the same, and return which asks agreed."""
    agreed = []
    for number in numbers:
        asked = one.ask(number)
        agreed.append(other.ask(number) == asked)
        one.tell(number, "completed", asked["x"], 10)
        other.tell(number, "completed", asked["x"], 10)
    return agreed


@pytest.mark.parametrize("space", [RANGES, MIXED])
def test_it_starts_with_quasi_random_points(space):
    assert (
        run_both(search("auto", space), search("qmc", space), range(6)) == [True] * 4 + [False] * 2
    )


def test_ranges_are_searched_by_the_gaussian_process_next():
    auto, gp = search("auto", RANGES), search("gp", RANGES)
    assert run_both(auto, gp, range(7)) == [True] * 7
    assert auto.slow_asks(3) == 3


def test_a_space_with_choices_is_left_to_tpe():
    auto = search("auto", MIXED)
    run_both(auto, search("qmc", MIXED), range(6))
    assert auto.slow_asks(3) == 0


@pytest.mark.parametrize("outcome", ["pruned", "paused"])
def test_trials_of_different_lengths_are_left_to_tpe(outcome):
    auto = search("auto", RANGES)
    run_both(auto, search("qmc", RANGES), range(6))
    assert auto.slow_asks(3) == 3
    auto.ask(6)
    auto.tell(6, outcome, 0.3, 5)
    assert auto.slow_asks(3) == 0
    if outcome == "paused":  # and goes on to its end
        auto.tell(6, "completed", 0.3, 10)
        assert auto.slow_asks(3) == 0


def test_many_trials_are_left_to_tpe():
    auto = search("auto", RANGES, startup_trials=GP_TRIALS - 2)
    run_both(auto, search("qmc", RANGES, GP_TRIALS), range(GP_TRIALS - 2))
    assert auto.slow_asks(5) == 2
    for number in (GP_TRIALS - 2, GP_TRIALS - 1):
        auto.ask(number)
    assert auto.slow_asks(5) == 0
    assert set(auto.ask(GP_TRIALS)) == {"x", "y"}
