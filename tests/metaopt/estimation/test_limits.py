"""Limits: against textbook formulas where there are such, and by how often they cover."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import optimize, stats

from metaopt.estimation.intervals import EVERYWHERE, NO_ERROR, Bounds, Error, ErrorRates, Tail
from metaopt.estimation.limits import (
    error_of_mean,
    interval_of,
    share_interval,
    student_t,
    together,
)

finite = st.floats(-1e6, 1e6)


def test_symmetric_values_have_students_interval() -> None:
    values = [1.0, 2.0, 4.0, 5.0]
    limits = interval_of(3.0, [error_of_mean(values)], ErrorRates(0.05, 0.05))
    own = stats.ttest_1samp(values, 0).confidence_interval(0.9)
    assert (limits.low, limits.high) == pytest.approx((own.low, own.high))


@pytest.mark.parametrize("skewness", [-0.9, -0.2, 0.1, 0.9])
def test_limits_of_a_skewed_mean_are_where_halls_transformation_reaches_the_quantile(
    skewness: float,
) -> None:
    lam, degrees = skewness / 3, 20.0

    def g(t: float) -> float:
        return t + lam * t**2 + lam**2 * t**3 / 3 + lam / 2

    q = stats.t(degrees).ppf(0.975)
    low_t, high_t = (optimize.brentq(lambda t, y=y: g(t) - y, -50, 50) for y in (-q, q))
    limits = interval_of(7.0, [Error(2.0, degrees, skewness)])
    assert (limits.low, limits.high) == pytest.approx((7 - 2 * high_t, 7 - 2 * low_t))


def test_skewness_and_degrees_of_freedom_are_those_of_the_sample() -> None:
    values = np.random.default_rng(0).lognormal(size=200)
    error = error_of_mean(values)
    kurtosis = stats.kurtosis(values, fisher=False)
    assert error.stderr == pytest.approx(stats.sem(values))
    assert error.skewness == pytest.approx(stats.skew(values) / math.sqrt(200))
    assert error.degrees == pytest.approx(400 / (kurtosis - 197 / 199))
    assert error_of_mean(values, degrees=3).degrees == 3


@given(st.lists(finite, min_size=1, max_size=30), st.floats(1e-9, 0.4), st.floats(1e-9, 0.4))
def test_limits_hold_the_estimate_and_are_finite(
    values: list[float], below: float, above: float
) -> None:
    mean = float(np.mean(values))
    limits = interval_of(mean, [error_of_mean(values)], ErrorRates(below, above))
    assert limits.low <= limits.value <= limits.high
    assert math.isfinite(limits.low) and math.isfinite(limits.high)


@given(st.lists(st.floats(0.0, 1.0), min_size=1, max_size=30), st.floats(0.0, 2.0))
def test_limits_lie_within_what_is_possible(values: list[float], scatter: float) -> None:
    parts = [error_of_mean(values), Error(scatter, 1)]
    limits = interval_of(float(np.mean(values)), parts, bounds=Bounds(0.0, 1.0))
    assert 0.0 <= limits.low <= limits.high <= 1.0


@pytest.mark.parametrize("size", [1e-150, 1.0, 1e90])
def test_no_size_of_losses_overflows(size: float) -> None:
    error = error_of_mean([size, 2 * size, 7 * size])
    assert error.stderr == pytest.approx(size * stats.sem([1, 2, 7]))
    assert math.isfinite(error.skewness) and error.degrees >= 1


def test_a_heavier_tail_widens_limits_and_moves_none_inwards() -> None:
    own = Error(1.0, 50.0, -0.4)
    plain, heavier = interval_of(0.0, [own]), interval_of(0.0, [own.at_least(Tail(0.8, 10.0))])
    assert heavier.low <= plain.low and heavier.high > plain.high


def test_what_has_no_noise_has_no_limits_but_itself() -> None:
    assert error_of_mean([3.0, 3.0]) == error_of_mean([3.0]) == NO_ERROR
    assert interval_of(2.0, [NO_ERROR], bounds=EVERYWHERE) == (2.0, 0.0, 2.0, 2.0)


def test_independent_parts_are_combined_by_their_half_widths() -> None:
    alone = [interval_of(0.0, [part]).high for part in (Error(1.0, 3.0), Error(2.0, 8.0))]
    both = interval_of(0.0, [Error(1.0, 3.0), Error(2.0, 8.0)])
    assert both.high == pytest.approx(math.hypot(*alone)) and both.stderr == math.sqrt(5)


def test_parts_taken_together_have_the_degrees_of_welch_and_satterthwaite() -> None:
    rng = np.random.default_rng(1)
    first, second = rng.normal(0, 1, 6), rng.normal(0, 4, 9)
    own = stats.ttest_ind(first, second, equal_var=False)
    (error,) = together(
        Error(float(stats.sem(sample)), sample.size - 1) for sample in (first, second)
    )
    assert error.degrees == pytest.approx(own.df)
    assert error.stderr == pytest.approx((first.mean() - second.mean()) / own.statistic)


def test_a_share_has_the_limits_of_clopper_and_pearson() -> None:
    limits = share_interval(0.05, 400, ErrorRates(0.05, 0.05))
    own = stats.binomtest(20, 400).proportion_ci(0.90, "exact")
    assert (limits.low, limits.high) == pytest.approx((own.low, own.high))
    assert share_interval(0.0, 400, ErrorRates(0.05, 0.05)).low == 0.0
    assert share_interval(1.0, 400, ErrorRates(0.05, 0.05)).high == 1.0


@pytest.mark.parametrize(
    ("sigma", "tasks", "least"), [(0.0, 100, 0.935), (1.0, 400, 0.93), (1.5, 400, 0.93)]
)
def test_the_interval_covers_the_mean_of_skewed_losses(
    sigma: float, tasks: int, least: float
) -> None:
    rng, covered, times = np.random.default_rng(3), 0, 2000
    for _ in range(times):
        normal = rng.normal(size=tasks)
        losses = np.exp(sigma * normal - sigma**2 / 2) if sigma else 1 + normal
        limits = interval_of(float(losses.mean()), [error_of_mean(losses)])
        covered += limits.low <= 1.0 <= limits.high
    assert least <= covered / times <= 0.975


@pytest.mark.parametrize(
    ("degrees", "published"), [(1, 12.706), (4, 2.776), (11, 2.201), (60, 2.0), (10_000, 1.96)]
)
def test_quantiles_of_students_t_are_those_of_the_tables(degrees: int, published: float) -> None:
    assert student_t(0.975, degrees) == pytest.approx(published, abs=6e-4)
    assert student_t(0.025, degrees) == pytest.approx(-published, abs=6e-4)


def test_quantiles_need_a_degree_of_freedom() -> None:
    with pytest.raises(ValueError, match="degrees of freedom must be >= 1, got 0"):
        student_t(0.975, 0)
