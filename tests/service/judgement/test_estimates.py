"""Contenders: how sure a mean, a difference and a share are."""

import statistics

import pytest
from scipy import stats

from metaopt.evaluation.intervals import ErrorRates, SquaredError
from metaopt.goals import Goals
from service.judgement.estimates import (
    Contender,
    SealedRun,
    beside,
    contender,
    difference,
    interval,
    interval_of,
    mean_of,
    seed_noise,
    share_interval,
    with_pooled_noise,
)

ERRORS, ACCURACIES = Goals(maximize=False), Goals(maximize=True)


def run(scores: list[float], *, diverged_share: float = 0.0, **metrics: float) -> SealedRun:
    status = "completed" if scores else "diverged"
    return SealedRun(0, 0, status, None, None, scores, [], diverged_share, 1.0, 0, metrics)


def test_scores_become_losses_and_means_over_seeds_in_the_direction_of_the_metric() -> None:
    runs = [run([0.5, 0.7]), run([0.7, 0.9]), run([])]
    accuracy, error = contender(runs, ACCURACIES), contender(runs, ERRORS)
    assert error.by_task == pytest.approx([0.6, 0.8])
    assert accuracy.by_task == [-x for x in error.by_task]
    assert accuracy.by_seed == [-x for x in error.by_seed]
    assert (error.seeds, error.tasks, error.whole) == (2, 2, False)


def test_a_training_that_diverged_counts_as_diverged_on_every_task() -> None:
    runs = [run([0.5, 0.7], diverged_share=0.5), run([])]
    assert contender(runs, ERRORS).diverged_share == 0.75
    assert contender([], ERRORS).diverged_share == 0.0


def test_metrics_are_means_over_what_reached_the_end() -> None:
    fresh = contender([run([1.0], cost=2.0), run([1.0], cost=4.0), run([])], ERRORS)
    assert fresh.metrics == {"cost": 3.0} and fresh.costs("cost") == [2.0, 4.0]
    assert contender([run([])], ERRORS).metrics == {}


def test_without_seeds_a_mean_has_student_s_interval_over_tasks() -> None:
    scores = [1.0, 2.0, 4.0, 3.0]
    limits = interval(mean_of(contender([run(scores)], ERRORS)), ErrorRates(0.05, 0.05))
    own = stats.ttest_1samp(scores, 0).confidence_interval(0.9)
    assert (limits.low, limits.high) == pytest.approx((own.low, own.high))


def test_the_noise_of_training_is_pooled_over_those_that_adapt() -> None:
    calm, noisy = [run([1.0, 1.2]), run([1.0, 1.4])], [run([2.0, 2.2]), run([2.4, 2.6])]
    wild = [run([2.0, 2.0], diverged_share=0.5), run([1e6, 2.0], diverged_share=0.5)]
    first, second, third = with_pooled_noise([contender(r, ERRORS) for r in (calm, noisy, wild)])
    assert first.noise == second.noise and first.noise.degrees == 2
    variances = [statistics.variance(each.by_seed) for each in (first, second)]
    assert first.noise.variance == pytest.approx(statistics.fmean(variances))
    assert third.noise == seed_noise([third])


def test_a_reference_has_the_pooled_noise_or_its_own_where_that_is_larger() -> None:
    finalists = with_pooled_noise([contender([run([1.0]), run([1.2])], ERRORS)])
    calm = contender([run([3.0]), run([3.0])], ERRORS)
    wild = contender([run([3.0]), run([9.0])], ERRORS)
    assert beside(calm, finalists).noise == finalists[0].noise
    assert beside(wild, finalists).noise == seed_noise([wild])


def test_a_difference_is_paired_by_task_and_needs_both() -> None:
    easy_and_hard = contender([run([1.0, 9.0])], ERRORS)
    shifted, lost = contender([run([1.5, 9.5])], ERRORS), contender([run([])], ERRORS)
    gap = difference(shifted, easy_and_hard)
    assert gap is not None and (gap.value, gap.stderr) == (0.5, 0.0)
    assert difference(lost, easy_and_hard) is None


def test_what_has_no_noise_has_no_limits_but_itself() -> None:
    assert interval_of(2.0, [SquaredError(0.0, 1)]) == (2.0, 0.0, 2.0, 2.0)


def test_a_share_has_the_limits_of_clopper_and_pearson() -> None:
    limits = share_interval(0.05, 400, ErrorRates(0.05, 0.05))
    own = stats.binomtest(20, 400).proportion_ci(0.90, "exact")
    assert (limits.low, limits.high) == pytest.approx((own.low, own.high))
    assert share_interval(0.0, 400, ErrorRates(0.05, 0.05)).low == 0.0
    assert share_interval(1.0, 400, ErrorRates(0.05, 0.05)).high == 1.0


def test_a_contender_is_plain_data() -> None:
    fresh: Contender = contender([run([1.0])], ERRORS)
    assert fresh._replace(noise=seed_noise([fresh])) == fresh
