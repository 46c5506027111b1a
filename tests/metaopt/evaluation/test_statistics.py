"""Statistics of score vectors."""

import math
import random

import pytest

from metaopt.evaluation.statistics import student_t, summarize, trimmed_mean


def test_summary_of_a_vector_worked_by_hand():
    summary = summarize([1.0, 2.0, 3.0, 4.0, 10.0])
    assert summary.mean == 4.0
    assert summary.median == 3.0
    assert summary.standard_deviation == pytest.approx(math.sqrt(50 / 4))
    assert summary.stderr == pytest.approx(math.sqrt(50 / 4 / 5))
    assert summary.high - summary.mean == pytest.approx(2.7764 * summary.stderr, rel=1e-4)
    assert summary.mean - summary.low == pytest.approx(2.7764 * summary.stderr, rel=1e-4)


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


@pytest.mark.parametrize(
    ("degrees", "published"), [(1, 12.706), (4, 2.776), (11, 2.201), (60, 2.0), (10_000, 1.96)]
)
def test_quantiles_of_students_t_are_those_of_the_tables(degrees, published):
    assert student_t(0.975, degrees) == pytest.approx(published, abs=6e-4)
    assert student_t(0.025, degrees) == pytest.approx(-published, abs=6e-4)


def test_quantiles_need_a_degree_of_freedom():
    with pytest.raises(ValueError, match="degrees of freedom must be >= 1, got 0"):
        student_t(0.975, 0)
