"""Goals: domination, constraints, and what to rank by."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metaopt.goals import Goals, dominates, pareto_front, spread

BOTH = Goals(False, ("score", "adaptation_examples"), {"adaptation_examples": 20.0})


def test_the_front_is_what_nothing_dominates_the_best_score_first():
    losses = {0: (1.0, 50.0), 1: (2.0, 10.0), 2: (2.0, 20.0), 3: (3.0, 10.0), 4: (1.5, 30.0)}
    assert pareto_front(losses) == [0, 4, 1]
    assert pareto_front({}) == []


def test_equals_are_on_the_front_together():
    assert pareto_front({3: (1.0, 2.0), 1: (1.0, 2.0), 2: (1.0, 3.0)}) == [1, 3]


@given(st.dictionaries(st.integers(0, 99), st.tuples(*[st.integers(0, 5)] * 3), max_size=30))
def test_the_front_agrees_with_its_definition(losses):
    by_definition = {
        n for n, mine in losses.items() if not any(dominates(o, mine) for o in losses.values())
    }
    front = pareto_front(losses)
    assert set(front) == by_definition
    assert front == sorted(front, key=lambda n: (losses[n], n))


def test_few_of_a_front_lie_far_apart_and_begin_with_the_best_score():
    losses = {n: (float(n), 10.0 - n) for n in range(11)}
    front = pareto_front(losses)
    assert spread(front, losses, 1) == [0]
    assert spread(front, losses, 3) == [0, 10, 5]
    assert sorted(spread(front, losses, 99)) == front
    assert spread([], {}, 3) == []
    assert spread([1, 2], {1: (1.0, 1.0), 2: (1.0, 1.0)}, 2) == [1, 2]


def test_more_accuracy_is_less_loss_and_costs_stay():
    assert Goals(True, ("score", "adaptation_examples")).losses((0.9, 5.0)) == (-0.9, 5.0)


def test_a_missing_objective_is_no_value_and_a_missing_constraint_is_kept():
    assert BOTH.values(0.5, {}) is None
    assert BOTH.values(0.5, {"adaptation_examples": 10, "other": 1}) == (0.5, 10.0)
    assert BOTH.feasible({}) and BOTH.violations({}) == {} and BOTH.relative({}) == (0.0,)


def test_on_the_bound_is_kept_and_beyond_it_the_farther_the_worse():
    assert BOTH.feasible({"adaptation_examples": 20}) and BOTH.violation({}) == 0.0
    assert BOTH.broken({"adaptation_examples": 21}) == ["adaptation_examples"]
    assert BOTH.violations({"adaptation_examples": 50}) == {"adaptation_examples": 30.0}
    a, b = (BOTH.violation({"adaptation_examples": n}) for n in (21, 1e9))
    assert 1.0 < a < b <= 2.0


def test_a_bound_of_zero_has_its_own_unit():
    goals = Goals(False, bounds={"diverged_share": 0.0})
    assert goals.feasible({"diverged_share": 0.0})
    assert goals.violation({"diverged_share": 0.5}) == pytest.approx(1 + 0.5 / 1.5)


@pytest.mark.parametrize("maximize", [True, False])
def test_the_better_score_has_the_smaller_loss_and_a_loss_its_score(maximize: bool) -> None:
    goals = Goals(maximize)
    better, worse = (0.9, 0.1) if maximize else (0.1, 0.9)
    assert goals.loss(better) < goals.loss(worse)
    assert goals.score(goals.loss(better)) == better
