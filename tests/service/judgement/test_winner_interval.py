"""The winner's interval: who wins among equals was lucky, and the interval allows for it."""

import random
import statistics

import pytest

from metaopt.estimation.intervals import EVEN
from metaopt.estimation.limits import interval
from metaopt.goals import Goals
from service.judgement.estimates import (
    Contender,
    SealedRun,
    among_finalists,
    contender,
    loss_of,
)
from service.judgement.winner_interval import chosen_among, winners_error_rates


def fresh(mean: float, seeds: list[float], *, diverged_share: float = 0.0) -> Contender:
    tasks = [-1.0, 0.0, 1.0, 2.0, -2.0] * 8
    return contender(
        [
            SealedRun(
                0,
                0,
                "completed",
                None,
                mean,
                [mean + seed + x for x in tasks],
                [],
                diverged_share,
                0,
            )
            for seed in seeds
        ],
        Goals(maximize=False),
    )


def test_of_one_or_two_the_interval_is_even() -> None:
    assert winners_error_rates(1) == winners_error_rates(2) == EVEN


@pytest.mark.parametrize("count", [3, 5, 20])
def test_both_sides_together_allow_five_per_cent_and_the_worse_side_less(count: int) -> None:
    better, worse = winners_error_rates(count)  # of a loss
    assert better + worse == pytest.approx(0.05) and worse < better
    assert 1 - (1 - worse) ** count == pytest.approx(0.05)  # the best of so many equals


def test_the_interval_is_moved_to_where_the_truth_is_worse() -> None:
    (one,) = among_finalists([fresh(1.0, [0.0, 0.1, -0.1])])
    even, moved = interval(loss_of(one)), interval(loss_of(one), winners_error_rates(3))
    assert moved.high > even.high and moved.low > even.low
    assert moved.value == even.value and moved.stderr == even.stderr


def test_only_those_count_that_could_as_well_have_won() -> None:
    seeds = [0.0, 0.1]
    best, near, far = among_finalists([fresh(1.0, seeds), fresh(1.05, seeds), fresh(9.0, seeds)])
    assert chosen_among(best, []) == 1
    assert chosen_among(best, [near]) == 2
    assert chosen_among(best, [near, far]) == 2


def test_those_that_train_or_adapt_only_sometimes_do_not_count() -> None:
    best, wild = among_finalists(
        [fresh(1.0, [0.0, 0.1]), fresh(1.0, [0.0, 0.1], diverged_share=0.1)]
    )
    broken = best._replace(runs=[*best.runs, best.runs[0]])
    assert chosen_among(best, [wild, broken]) == 1


@pytest.mark.parametrize("count", [4, 6])
def test_of_equal_finalists_the_winners_interval_covers_what_it_says(count: int) -> None:
    draw = random.Random(count)
    even = moved = 0
    studies = 1000
    for _ in range(studies):
        some = [fresh(0.0, [draw.gauss(0, 2), draw.gauss(0, 2)]) for _ in range(count)]
        ranked = sorted(among_finalists(some), key=lambda one: statistics.fmean(one.by_task))
        error_rates = winners_error_rates(chosen_among(ranked[0], ranked[1:]))
        plain, shifted = interval(loss_of(ranked[0])), interval(loss_of(ranked[0]), error_rates)
        even += plain.low <= 0 <= plain.high
        moved += shifted.low <= 0 <= shifted.high
    assert even / studies < 0.95
    assert 0.93 <= moved / studies <= 0.98
