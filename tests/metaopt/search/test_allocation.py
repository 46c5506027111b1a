"""Allocation on curves that are known: who is dropped, who is not, and what adds up."""

import math
import random
from collections.abc import Callable, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metaopt.search.allocation import Claim, allot, in_the_running, reach
from metaopt.search.curve import LossCurve

Curve = Callable[[int, random.Random], float]
TOTAL, STARTUP = 60, 10
FLOOR = TOTAL // 4  # half of an even share of two


def claim(losses: Sequence[float | None], *, error: float = 0.0, floor: int = FLOOR) -> Claim:
    return Claim(len(losses), len(losses), LossCurve(losses), error, floor, STARTUP)


def learning(bottom: float) -> Curve:
    """Come ever closer to `bottom`, from 0.5 above."""
    return lambda index, rng: bottom + 0.5 * rng.expovariate(1) / math.sqrt(1 + index)


def late(bottom: float, base: float, when: int) -> Curve:
    """Find nothing below `base` in the first `when` trials."""
    return lambda index, rng: (base if index < when else bottom) + 0.2 * rng.random()


def searched(curves: Sequence[Curve], *, seed: int, noise: float = 0.0) -> list[list[float]]:
    """The losses of a search by the rule: first the floors, in turns, then the rest."""
    rngs = [random.Random(f"{seed} {branch}") for branch in range(len(curves))]
    losses: list[list[float]] = [[] for _ in curves]
    while sum(map(len, losses)) < TOTAL:
        budgets = allot(TOTAL, [claim(own, error=noise) for own in losses])
        assert sum(budgets) == TOTAL
        places = range(len(losses))
        branch = min(places, key=lambda i: (len(losses[i]) >= FLOOR, len(losses[i]) / budgets[i]))
        rng, index = rngs[branch], len(losses[branch])
        losses[branch].append(curves[branch](index, rng) + rng.gauss(0, noise))
    return losses


@pytest.mark.parametrize("seed", range(20))
def test_a_dominated_branch_gets_its_floor_and_no_more(seed: int) -> None:
    losses = searched([learning(0.0), learning(0.6)], seed=seed)
    assert [len(own) for own in losses] == [TOTAL - FLOOR, FLOOR]


@pytest.mark.parametrize("seed", range(20))
def test_a_late_bloomer_has_its_floor_to_bloom_and_then_wins(seed: int) -> None:
    slow, quick = searched([late(0.0, 0.6, when=FLOOR - 3), learning(0.3)], seed=seed)
    assert len(slow) > len(quick) >= FLOOR
    assert min(slow) < min(quick)


def test_what_blooms_after_its_floor_is_not_found() -> None:
    slow, _ = searched([late(0.0, 0.6, when=FLOOR + 1), learning(0.3)], seed=0)
    assert len(slow) == FLOOR


def test_equal_branches_stay_near_even_under_noise() -> None:
    shares = [
        len(searched([learning(1.0), learning(1.0)], seed=seed, noise=0.05)[0])
        for seed in range(100)
    ]
    uneven = sum(1 for share in shares if abs(share - TOTAL / 2) > TOTAL / 20)
    assert uneven <= 5
    assert abs(sum(shares) / len(shares) - TOTAL / 2) < 1


def test_a_difference_within_noise_drops_nobody() -> None:
    better, worse = [0.5] * 10, [0.55] * 10
    assert in_the_running(TOTAL, [claim(better), claim(worse)]) == [True, False]
    noisy = [claim(better, error=0.02), claim(worse, error=0.02)]
    assert in_the_running(TOTAL, noisy) == [True, True]


def test_a_branch_that_improves_is_not_dropped_while_it_may_still_pass() -> None:
    falling = [-0.01 * index for index in range(12)]
    assert reach(LossCurve(falling), 10) == pytest.approx(-0.21)
    assert in_the_running(TOTAL, [claim(falling), claim([-0.3] * 12)]) == [True, True]
    assert in_the_running(TOTAL, [claim(falling), claim([-0.9] * 12)]) == [False, True]


def test_nobody_is_compared_before_each_has_ended_its_startup_trials() -> None:
    assert in_the_running(TOTAL, [claim([0.0] * 20), claim([1.0] * 9)]) == [True, True]
    assert in_the_running(TOTAL, [claim([0.0] * 20), claim([1.0] * 10)]) == [True, False]


def test_a_branch_that_only_diverges_is_dropped_and_one_that_begins_to_score_is_not() -> None:
    good = claim([0.0] * 10)
    assert in_the_running(TOTAL, [good, claim([None] * 10)]) == [True, False]
    assert in_the_running(TOTAL, [good, claim([None] * 9 + [0.9])]) == [True, True]
    assert in_the_running(TOTAL, [claim([None] * 10)] * 2) == [True, True]
    assert in_the_running(TOTAL, [Claim(10, 10, LossCurve(), 0.0, FLOOR, STARTUP)] * 2) == [
        True,
        True,
    ]


def test_what_an_exhausted_grid_leaves_goes_to_the_others() -> None:
    grid = Claim(9, 9, LossCurve([0.0] * 9), 0.0, FLOOR, STARTUP, limit=9)
    assert allot(TOTAL, [grid, claim([0.5] * 12)]) == [9, TOTAL - 9]
    assert allot(TOTAL, [grid, grid]) == [9, 9]


def test_a_budget_that_grew_or_shrank_keeps_what_was_asked_for() -> None:
    good, bad = claim([0.0] * 45), claim([1.0] * 15)
    assert allot(60, [good, bad]) == [45, 15]
    assert allot(80, [good, bad]) == [65, 15]
    assert allot(50, [good, bad]) == [45, 15]  # more are asked for already


CLAIMS = st.lists(
    st.tuples(
        st.lists(st.one_of(st.none(), st.floats(-10, 10)), max_size=30),
        st.floats(0, 2),
        st.integers(0, 20),
        st.integers(0, 12),
    ),
    min_size=1,
    max_size=5,
)


@given(st.integers(0, 200), CLAIMS)
def test_budgets_add_up_and_keep_floors_and_asks(
    total: int, given: list[tuple[list[float | None], float, int, int]]
) -> None:
    claims = [Claim(len(t), len(t), LossCurve(t), *rest) for t, *rest in given]
    budgets = allot(total, claims)
    assert all(budget >= one.asked for budget, one in zip(budgets, claims, strict=True))
    if sum(one.asked for one in claims) <= total:
        assert sum(budgets) == total
    if sum(max(one.asked, one.floor) for one in claims) <= total:
        assert all(budget >= one.floor for budget, one in zip(budgets, claims, strict=True))


@given(st.integers(20, 200), CLAIMS)
def test_asking_for_what_is_allotted_changes_no_budget(
    total: int, given: list[tuple[list[float | None], float, int, int]]
) -> None:
    claims = [Claim(len(t), len(t), LossCurve(t), *rest) for t, *rest in given]
    budgets = allot(total, claims)
    if sum(one.asked for one in claims) > total:
        return
    first = next((i for i, one in enumerate(claims) if budgets[i] > one.asked), None)
    if first is None or not all(in_the_running(total, claims)):
        return
    one = claims[first]
    claims[first] = Claim(
        one.asked + 1, one.ended, one.curve, one.error, one.floor, one.startup, one.limit
    )
    after = allot(total, claims)
    assert sum(after) == total and after[first] > one.asked


def dear(losses: Sequence[float | None], cost: float, *, asked: int | None = None) -> Claim:
    """A claim in the currency of cost, of trials that cost as much each."""
    curve = LossCurve()
    for ask, loss in enumerate(losses):
        curve.put(ask, loss, cost)
    count = len(losses) if asked is None else asked
    return Claim(count, count, curve, 0.0, 0, 4, cost=cost)


FALLING = [1.0 - 0.01 * i for i in range(12)]


def test_branches_that_may_both_win_have_as_much_cost_and_not_as_many_trials() -> None:
    cheap, costly = allot(66, [dear(FALLING[:6], 1.0), dear(FALLING[:6], 10.0)])
    assert (cheap, costly) == (60, 6)


def test_equal_costs_are_the_currency_of_trials() -> None:
    worse = [3.0 - 0.01 * i for i in range(12)]
    in_cost = allot(TOTAL, [dear(FALLING, 2.0), dear(worse, 2.0)])
    in_trials = allot(TOTAL, [claim(FALLING, floor=0), claim(worse, floor=0)])
    assert in_cost == in_trials == [TOTAL - 12, 12]


def test_a_best_that_took_more_than_another_could_ever_spend_beats_nobody() -> None:
    # One came to 0.1 with the last of 200 trials; the other has had a hundredth of its cost.
    long, short = [1.0] * 199 + [0.1], [0.9] * 10
    assert in_the_running(210, [dear(long, 1.0), dear(short, 0.2)]) == [True, True]
    # It would be out by trials, and in cost if it had had as much: its curve is flat.
    assert in_the_running(210, [claim(long, floor=0), claim(short, floor=0)]) == [True, False]
    assert in_the_running(210, [dear(long, 1.0), dear(short, 20.0)]) == [True, False]


def test_nobody_waits_for_the_start_up_of_a_branch_that_asks_for_no_more() -> None:
    short = dear([0.9], 1.0)
    claims = [dear(FALLING, 1.0), dear([3.0] * 12, 1.0), short]
    assert in_the_running(40, claims) == [True] * 3
    closed = Claim(1, 1, short.curve, 0.0, 0, 4, limit=1, closed=True, cost=1.0)
    assert in_the_running(40, [*claims[:2], closed])[1] is False
    assert allot(40, [*claims[:2], closed])[2] == 1
