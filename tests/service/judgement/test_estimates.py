"""Contenders: how sure a mean, a difference and a share are."""

import math
import statistics

import pytest
from scipy import stats

from metaopt.estimation.limits import interval
from metaopt.estimation.statistics import summarize
from metaopt.goals import Goals
from service.judgement.estimates import (
    Contender,
    SealedRun,
    among_finalists,
    beside,
    contender,
    difference,
    exploded_share,
    explodes_more,
    loss_of,
    own_noise,
    unadapted_loss,
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


def test_without_seeds_a_loss_has_the_interval_of_its_statistic_over_tasks() -> None:
    scores = [1.0, 2.0, 4.0, 3.0, 9.0]
    for statistic in ("mean", "median", "trimmed_mean"):
        goals = Goals(maximize=False, statistic=statistic)
        limits = interval(loss_of(contender([run(scores)], goals)))
        summary = summarize(scores, statistic)
        assert (limits.low, limits.high) == pytest.approx((summary.low, summary.high))


def test_a_loss_is_the_mean_over_trainings_of_the_statistic() -> None:
    runs = [run([1.0, 2.0, 9.0]), run([3.0, 4.0, 5.0])]
    assert contender(runs, Goals(False, statistic="median")).loss == 3.0
    assert contender(runs, Goals(False)).loss == 4.0


def noises(*contenders: Contender) -> list[float]:
    return [each.noise.variance for each in among_finalists(contenders)]


def test_noise_belongs_to_whoever_makes_it() -> None:
    calm = [contender([run([m]), run([m + 0.02])], ERRORS) for m in (1.0, 2.0)]
    noisy = contender([run([1.0]), run([1.6])], ERRORS)
    first, second, third = noises(*calm, noisy)
    assert third == statistics.variance([1.0, 1.6])
    alike = statistics.variance([1.0, 1.02]) / stats.chi2(1).median()
    assert (first, second) == pytest.approx((alike, alike))


def test_two_trainings_that_agree_by_chance_have_the_noise_that_is_usual() -> None:
    agreeing = contender([run([1.0]), run([1.0])], ERRORS)
    usual = [contender([run([m]), run([m + 0.2])], ERRORS) for m in (1.0, 2.0)]
    assert noises(agreeing, *usual)[0] > statistics.variance([1.0, 1.2])


def test_no_interval_depends_on_the_explosions_of_another() -> None:
    calm = [contender([run([1.0, 1.2]), run([1.1, 1.4])], ERRORS) for _ in range(2)]
    wild = [run([1.0, 2.0], diverged_share=0.5), run([1e6, 2.0], diverged_share=0.5)]
    tame = [run([1.0, 2.0], diverged_share=0.5), run([3.0, 2.0], diverged_share=0.5)]
    intervals = [
        [interval(loss_of(each)) for each in among_finalists([*calm, contender(last, ERRORS)])[:2]]
        for last in (wild, tame)
    ]
    assert intervals[0] == intervals[1]


def test_a_reference_has_the_usual_noise_or_its_own_where_that_is_larger() -> None:
    finalists = among_finalists([contender([run([1.0]), run([1.2])], ERRORS)])
    calm = contender([run([3.0]), run([3.0])], ERRORS)
    wild = contender([run([3.0]), run([9.0])], ERRORS)
    assert beside(calm, finalists).noise == finalists[0].noise
    assert beside(wild, finalists).noise == own_noise(wild)


def explosive(*scores: float) -> SealedRun:
    return SealedRun(0, 0, "completed", None, None, list(scores), [4.0, 1.0], 0.0, 1.0)


def test_a_task_explodes_where_adaptation_leaves_a_hundred_times_the_loss_of_none() -> None:
    tasks, goals = [1.0] * 9, Goals(maximize=False, possible=(0.0, math.inf))
    runs = [explosive(*tasks, 399.0), explosive(*tasks, 401.0)]
    assert unadapted_loss(runs, goals) == 4.0
    fresh = contender(runs, goals, unadapted=4.0)
    assert fresh.exploded == 0.05  # one of two trainings on one of ten tasks
    limits = exploded_share(fresh)
    assert limits.low == 0.0 and limits.high == pytest.approx(
        stats.binomtest(1, 10).proportion_ci(0.95, "exact").high
    )
    accuracies = Goals(maximize=True, possible=(0.0, 1.0))
    assert unadapted_loss(runs, accuracies) == math.inf


def test_who_explodes_and_the_other_does_not_is_no_tie_but_shares_that_are_alike_are() -> None:
    def exploding(count: int) -> Contender:
        run = explosive(*[1.0] * (400 - count), *[1e3] * count)
        return contender([run], ERRORS, unadapted=4.0)

    assert explodes_more(exploding(1), exploding(0))
    assert not explodes_more(exploding(0), exploding(1))
    assert not explodes_more(exploding(4), exploding(3))
    assert explodes_more(exploding(30), exploding(3))


def test_those_without_any_scatter_over_tasks_say_nothing_of_the_usual_tail() -> None:
    uneven = contender([run([0.9, 0.8, 0.7, 0.95] * 25)], ACCURACIES)
    flawless = [contender([run([1.0] * 100)], ACCURACIES) for _ in range(2)]
    alone, *_ = among_finalists([uneven])
    beside_them, *_ = among_finalists([uneven, *flawless])
    assert interval(loss_of(beside_them)) == interval(loss_of(alone))


def test_a_difference_is_paired_by_task_and_needs_both() -> None:
    easy_and_hard = contender([run([1.0, 9.0])], ERRORS)
    shifted, lost = contender([run([1.5, 9.5])], ERRORS), contender([run([])], ERRORS)
    gap = difference(shifted, easy_and_hard)
    assert gap is not None and (gap.value, gap.stderr) == (0.5, 0.0)
    assert difference(lost, easy_and_hard) is None
