"""Replication: the rule's promises, and whether it finds the better of close contenders."""

import math
import random
import statistics

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.score_vectors import SOURCES
from metaopt.errors import InvalidSearch
from metaopt.search.replication import (
    TOGETHER,
    Configuration,
    Z,
    ranked,
    seed_variance,
    train_again,
)

losses = st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=5)


@st.composite
def searches(draw: st.DrawFn) -> list[Configuration]:
    trainings = draw(st.lists(losses, min_size=0, max_size=8))
    return [
        Configuration(
            number, tuple(one), diverged=draw(st.integers(0, 1)), poolable=draw(st.booleans())
        )
        for number, one in enumerate(trainings)
    ]


def numbers(configurations: list[Configuration]) -> list[int]:
    return [one.trial_number for one in configurations]


@given(searches(), st.integers(-1, 10))
def test_a_round_stays_within_the_reserve_and_names_each_once(found, left):
    again = train_again(found, left=left)
    assert len(again) <= max(0, min(left, TOGETHER))
    assert len(set(numbers(again))) == len(again)
    assert not any(one.diverged for one in again)


@given(searches())
def test_the_order_in_which_trials_come_changes_nothing(found):
    again = train_again(found, left=3)
    assert numbers(train_again(found[::-1], left=3)) == numbers(again)


@given(searches())
def test_who_is_trained_again_is_open_still_and_the_others_are_not_fewer_trained(found):
    again = train_again(found, left=100)
    steady = [one for one in ranked(found) if not one.diverged]
    variance = seed_variance(steady)
    if variance is None:
        assert again == (steady[:2] if len(steady) > 1 else [])
        return
    leader = steady[0]
    for one in again:
        error = math.sqrt(variance * (1 / len(leader.losses) + 1 / len(one.losses)))
        assert one is leader or one.mean - leader.mean < Z * error


def test_nothing_is_trained_again_once_the_gap_is_larger_than_the_noise():
    clear = [Configuration(0, (0.50, 0.52)), Configuration(1, (0.90, 0.88))]
    assert train_again(clear, left=9) == []
    close = [Configuration(0, (0.50, 0.60)), Configuration(1, (0.58, 0.54))]
    assert numbers(train_again(close, left=9)) == [0, 1]
    assert numbers(train_again(close, left=1)) == [0]


def test_before_any_noise_is_known_the_two_best_are_trained_again():
    found = [Configuration(n, (score,)) for n, score in enumerate((0.7, 0.2, 0.9, 0.3))]
    assert numbers(train_again(found, left=9)) == [1, 3]
    upside_down = [Configuration(c.trial_number, (-c.mean,)) for c in found]
    assert numbers(train_again(upside_down, left=9)) == [2, 0]
    assert train_again(found[:1], left=9) == []


def test_the_less_trained_of_those_that_are_open_come_first():
    found = [
        Configuration(0, (0.50, 0.60, 0.55)),
        Configuration(1, (0.56,)),
        Configuration(2, (0.57, 0.58)),
        Configuration(3, (5.0,)),
    ]
    assert numbers(train_again(found, left=9)) == [1, 2, 0]
    assert numbers(train_again(found, left=1)) == [1]


def test_what_diverges_when_it_is_trained_again_ranks_last_and_is_left_alone():
    found = [Configuration(0, (0.1,), diverged=1), *(Configuration(n, (0.5,)) for n in (1, 2))]
    assert numbers(ranked(found)) == [1, 2, 0]
    assert numbers(train_again(found, left=9)) == [1, 2]


def test_a_training_that_a_task_made_explode_says_nothing_about_the_noise():
    found = [Configuration(0, (0.5, 900.0), poolable=False), Configuration(1, (0.5, 0.7))]
    assert seed_variance(found) == pytest.approx(0.02)
    assert seed_variance(found[:1]) is None


@pytest.mark.parametrize("bad", [(), (math.nan,), (0.5, math.inf)])
def test_a_configuration_needs_finite_losses(bad):
    with pytest.raises(InvalidSearch, match="trial 7 needs finite losses"):
        Configuration(7, bad)


@pytest.fixture(scope="module")
def trainings() -> np.ndarray:
    """Scores of real trainings at their end: (configurations, seeds), the best first."""
    with np.load(SOURCES["sinusoid"].file) as data:
        means = data["scores"].astype(np.float64)[:, :, -1].mean(2)
    return means[np.argsort(means.mean(1))]


def picks(pool: np.ndarray, reserve: int, games: int, *, evenly: bool) -> list[int]:
    """Play games; return the place, 0 the truly best, of who has the best mean in the end."""
    chance, chosen = random.Random(1), []
    for _ in range(games):
        seen = [[chance.choice(one)] for one in pool]
        left = reserve
        while left > 0:
            found = [Configuration(n, tuple(one)) for n, one in enumerate(seen)]
            if evenly:
                again = sorted(found, key=lambda one: len(one.losses))[:1]
            else:
                again = train_again(found, left=left)
            if not again:
                break
            for one in again:
                seen[one.trial_number].append(chance.choice(pool[one.trial_number]))
                left -= 1
        chosen.append(min(range(len(seen)), key=lambda n: statistics.fmean(seen[n])))
    return chosen


@pytest.mark.parametrize("contenders", [(0, 2), (3, 4), (4, 5), (0, 1, 2, 3, 4), tuple(range(8))])
def test_the_truly_better_of_close_contenders_is_picked_more_often(trainings, contenders):
    pool = trainings[list(contenders)]
    truth = pool.mean(1) - pool.mean(1).min()
    alone = picks(pool, 0, 1500, evenly=False)
    again = picks(pool, 8, 1500, evenly=False)
    assert sum(n == 0 for n in again) > sum(n == 0 for n in alone)
    assert truth[again].mean() < truth[alone].mean()


def test_where_two_differ_by_a_fifteenth_of_the_noise_nothing_is_won_or_lost(trainings):
    pool = trainings[:2]
    truth = pool.mean(1) - pool.mean(1).min()
    assert truth[1] < pool.std(1).mean() / 13
    alone, again = (picks(pool, reserve, 1500, evenly=False) for reserve in (0, 8))
    assert abs(truth[again].mean() - truth[alone].mean()) < 0.0005


def test_the_rule_is_no_worse_than_an_even_share_of_as_many_trainings(trainings):
    pool = trainings[:8]
    truth = pool.mean(1) - pool.mean(1).min()
    ours = truth[picks(pool, 8, 1500, evenly=False)].mean()
    even = truth[picks(pool, 8, 1500, evenly=True)].mean()
    assert ours < even
