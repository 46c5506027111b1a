"""Statistics of score vectors."""

import math
import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import ndtr, ndtri

from metaopt.estimation.intervals import Bounds
from metaopt.estimation.statistics import difference, locate, summarize, trimmed_mean


def test_summary_of_a_vector_worked_by_hand():
    summary = summarize([1.0, 2.0, 3.0, 4.0, 5.0])
    assert summary.mean == summary.median == summary.trimmed_mean == 3.0
    assert summary.standard_deviation == pytest.approx(math.sqrt(10 / 4))
    assert summary.stderr == pytest.approx(math.sqrt(10 / 4 / 5))
    assert summary.high - summary.mean == pytest.approx(2.7764 * summary.stderr, rel=1e-4)
    assert summary.mean - summary.low == pytest.approx(2.7764 * summary.stderr, rel=1e-4)


def test_one_bad_score_moves_the_limit_on_its_side():
    summary = summarize([1.0, 2.0, 3.0, 4.0, 40.0])
    assert summary.high - summary.mean > 2 * (summary.mean - summary.low)


def test_trimmed_mean_drops_a_tenth_at_each_end():
    assert trimmed_mean([*range(1, 10), 1000]) == 5.5
    assert trimmed_mean([1.0, 3.0]) == 2.0


def test_one_score_is_its_own_interval():
    summary = summarize([0.5])
    assert (summary.low, summary.mean, summary.high) == (0.5, 0.5, 0.5)


@pytest.mark.parametrize("bad", [[], [1.0, math.nan], [math.inf]])
def test_no_scores_or_bad_scores_are_refused(bad):
    with pytest.raises(ValueError, match="finite"):
        summarize(bad)


def test_the_interval_covers_the_mean_as_often_as_it_says():
    generator = random.Random(1)
    covered = 0
    for _ in range(2000):
        summary = summarize([generator.gauss(2.0, 3.0) for _ in range(12)])
        covered += summary.low <= 2.0 <= summary.high
    assert 0.935 <= covered / 2000 <= 0.965


STATISTICS = ["mean", "median", "trimmed_mean"]


@pytest.mark.parametrize("statistic", STATISTICS)
def test_the_interval_is_that_of_the_statistic_that_was_asked_for(statistic):
    scores = np.random.default_rng(0).lognormal(0.0, 1.5, 400)
    summary = summarize(scores, statistic)
    assert summary.low < getattr(summary, statistic) < summary.high


@pytest.mark.parametrize("statistic", STATISTICS)
def test_the_interval_covers_its_own_truth(statistic):
    rng, times, covered = np.random.default_rng(5), 1500, 0
    truth = {"mean": math.exp(0.5), "median": 1.0, "trimmed_mean": TRIMMED_LOG_NORMAL}[statistic]
    for _ in range(times):
        summary = summarize(rng.lognormal(0.0, 1.0, 200), statistic)
        covered += summary.low <= truth <= summary.high
    assert 0.93 <= covered / times <= 0.975


def _trimmed_log_normal():
    edge = ndtri(0.9)
    return math.exp(0.5) * (ndtr(edge - 1) - ndtr(-edge - 1)) / 0.8


TRIMMED_LOG_NORMAL = _trimmed_log_normal()


@pytest.mark.parametrize("statistic", STATISTICS)
def test_influences_are_what_a_value_adds_to_the_statistic(statistic):
    values = np.random.default_rng(1).normal(size=20_000)
    located = locate(values, statistic)
    assert located.influences.mean() == pytest.approx(0.0, abs=1e-12)
    for place in (30, 5000, 15_000):  # of the sorted ones: more of it move the statistic
        value = np.sort(values)[place]
        moved = locate(np.append(values, [value] * 800), statistic).value - located.value
        influence = located.influences[np.flatnonzero(values == value)[0]]
        assert moved * 20_800 / 800 == pytest.approx(influence, rel=0.25, abs=0.05)


@pytest.mark.parametrize("statistic", STATISTICS)
def test_a_difference_of_a_shift_is_exact_since_it_is_paired(statistic):
    scores = np.random.default_rng(2).lognormal(size=50)
    limits = difference(scores + 0.5, scores, statistic)
    assert limits == pytest.approx((0.5, 0.0, 0.5, 0.5))


@given(
    st.lists(st.integers(0, 3), min_size=2, max_size=40),
    st.sampled_from(STATISTICS),
)
def test_ties_and_few_values_have_finite_limits_within_what_is_possible(values, statistic):
    summary = summarize([value / 3 for value in values], statistic, Bounds(0.0, 1.0))
    assert 0.0 <= summary.low <= getattr(summary, statistic) + 1e-12
    assert getattr(summary, statistic) - 1e-12 <= summary.high <= 1.0
