"""Verdicts on scores made up so that the answer is known."""

import math
import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metaopt.algorithms.registry import complete
from metaopt.estimation.limits import student_t
from service.judgement.estimates import SealedRun
from service.judgement.verdict import Beside, SearchTrial, best_steps, study_result
from service.wire.views.result import StudyResult
from service.wire.words.verdict import kept
from tests.fakes.specs import small_spec
from tests.properties import examples

PARAMS = complete("maml", {"inner_lr": 0.1})


def found(number: int, score: float = 1.0, **changes: Any) -> SearchTrial:
    fields = {"low": 0.9, "high": 1.1, "meta_iterations": 180, **changes}
    return SearchTrial(number, "maml", "completed", PARAMS, score, 10.0, **fields)


def fresh(number: int, source: int, scores: list[float], **changes: Any) -> SealedRun:
    mean = sum(scores) / len(scores) if scores else None
    fields = {
        "trial_number": number,
        "source_trial_number": source,
        "status": "completed" if scores else "diverged",
        "cause": None if scores else "loss was not finite",
        "score": mean,
        "scores": scores,
        "curve": [3.0, 1.0] if scores else [],
        "diverged_share": 0.0,
        "device_seconds": 5.0,
        "meta_iterations": 180,
    }
    return SealedRun(**{**fields, **changes})


def verdict(
    trials: list[SearchTrial],
    runs: list[SealedRun],
    defaults: list[SealedRun] | None = None,
    **changes: Any,
) -> StudyResult:
    return study_result(
        small_spec(**changes),
        trials,
        runs,
        beside=[Beside("default", "maml", PARAMS, defaults)] if defaults else [],
        counts={"completed": len(trials)},
        wall_seconds=60.0,
    )


def test_the_sealed_interval_holds_the_noise_of_tasks_and_of_seeds() -> None:
    (finalist,) = verdict(
        [found(0)], [fresh(6, 0, [1.0, 2.0, 3.0, 4.0]), fresh(7, 0, [3.0, 4.0, 5.0, 6.0])]
    ).finalists
    sealed = finalist.sealed
    assert sealed is not None
    # by task 2, 3, 4, 5: variance 5/3 over 4 tasks, 3 degrees of freedom; seeds' means 2.5 and
    # 4.5: variance 2 over 2, with one degree of freedom.
    half = math.hypot(3.18245 * math.sqrt(5 / 3 / 4), 12.7062 * math.sqrt(2 / 2))
    assert (sealed.score, sealed.tasks, sealed.seeds) == (3.5, 4, 2)
    assert (sealed.low, sealed.high) == (0.0, pytest.approx(3.5 + half))  # no error is below 0
    assert finalist.optimism == 2.5
    assert finalist.device_seconds == 20.0


def test_optimism_of_an_accuracy_is_how_much_higher_the_search_said() -> None:
    omniglot = {"tasks": {"kind": "omniglot"}, "model": {"kind": "conv4"}}
    runs = [fresh(6, 0, [0.7, 0.9])]
    (finalist,) = verdict([found(0, 0.9)], runs, **omniglot).finalists
    assert finalist.optimism == pytest.approx(0.1)


def test_finalists_are_ranked_by_their_sealed_scores() -> None:
    runs = [fresh(6, 0, [2.0, 2.1]), fresh(7, 1, [1.0, 1.1])]
    finalists = verdict([found(0, 0.5), found(1, 0.9)], runs).finalists
    assert [(one.rank, one.trial_number) for one in finalists] == [(1, 1), (2, 0)]


def test_a_steady_small_difference_is_no_tie_but_a_noisy_one_is() -> None:
    best = [1.0, 5.0, 2.0, 8.0]
    steady = [score + 0.5 + 0.01 * i for i, score in enumerate(best)]
    noisy = [3.0, 4.0, 6.0, 6.0]
    runs = [fresh(6, 0, best), fresh(7, 1, steady), fresh(8, 2, noisy)]
    finalists = verdict([found(0), found(1), found(2)], runs).finalists
    assert {one.trial_number: one.tied_with_best for one in finalists} == {
        0: True,
        1: False,
        2: True,
    }


def test_a_finalist_that_diverges_once_ranks_last_and_shows_it() -> None:
    runs = [fresh(6, 0, [0.1, 0.2]), fresh(7, 0, []), fresh(8, 1, [5.0, 6.0])]
    finalists = verdict([found(0), found(1)], runs).finalists
    assert [one.trial_number for one in finalists] == [1, 0]
    assert [run.status for run in finalists[1].runs] == ["completed", "diverged"]
    assert finalists[1].runs[1].cause == "loss was not finite"
    assert finalists[1].sealed is not None and finalists[1].sealed.seeds == 1


def test_a_finalist_without_any_score_is_still_in_the_result() -> None:
    runs = [fresh(6, 0, []), fresh(7, 1, [5.0, 6.0])]
    finalists = verdict([found(0), found(1)], runs).finalists
    assert finalists[1].trial_number == 0
    assert (finalists[1].sealed, finalists[1].optimism) == (None, None)
    assert not finalists[1].tied_with_best


def test_one_diverged_adaptation_widens_no_other_interval() -> None:
    steady = [fresh(6, 0, [1.0, 2.0, 3.0]), fresh(7, 0, [1.1, 2.0, 3.2])]
    wild = [
        fresh(8, 1, [1.0, 2.0, 3.0]),
        fresh(9, 1, [1e6, 2.0, 3.0], diverged_share=1 / 3),
    ]
    alone = verdict([found(0)], steady).finalists[0].sealed
    best, worst = verdict([found(0), found(1)], [*steady, *wild]).finalists
    assert best.trial_number == 0 and best.sealed == alone
    assert worst.sealed is not None and worst.sealed.high > 1e6


def test_branches_and_costs_are_summed() -> None:
    lost = SearchTrial(1, "reptile", "diverged", {}, None, 7.0)
    result = verdict([found(0), lost], [fresh(6, 0, [1.0, 2.0])])
    assert result.branches["maml"].best_score == 1.0
    assert result.branches["reptile"].best_score is None
    assert result.branches["reptile"].device_seconds == 7.0
    assert result.device_seconds == 22.0
    assert StudyResult.model_validate(result.model_dump(mode="json")) == result


@pytest.mark.parametrize(
    ("seed_deviation", "task_deviation"), [(0.02, 0.1), (0.05, 0.3), (0.02, 0.0)]
)
def test_the_sealed_interval_covers_the_truth_as_often_as_it_says(
    seed_deviation: float, task_deviation: float
) -> None:
    generator = random.Random(4)
    tasks, studies, covered = 100, 200, 0
    for _ in range(studies):
        runs = []
        for number in range(6):
            mean = 1.0 + generator.gauss(0, seed_deviation)
            scores = [generator.gauss(mean, task_deviation) for _ in range(tasks)]
            runs.append(fresh(10 + number, number // 2, scores))
        for finalist in verdict([found(n) for n in range(3)], runs).finalists:
            assert finalist.sealed is not None
            covered += finalist.sealed.low <= 1.0 <= finalist.sealed.high
    assert 0.92 <= covered / (3 * studies) <= 0.995


def test_with_one_seed_each_the_result_says_that_training_is_not_covered() -> None:
    one = verdict([found(0)], [fresh(6, 0, [1.0, 2.0, 3.0])])
    two = verdict([found(0)], [fresh(6, 0, [1.0, 2.0, 3.0]), fresh(7, 0, [1.0, 2.0, 3.5])])
    assert (one.intervals_cover, two.intervals_cover) == ("tasks", "tasks and seeds")


def test_an_optimism_has_the_noise_of_both_banks_and_of_training() -> None:
    trial = found(0, 2.0, scores=[1.0, 2.0, 3.0])
    runs = [fresh(6, 0, [1.0, 2.0, 3.0, 4.0]), fresh(7, 0, [3.0, 4.0, 5.0, 6.0])]
    (finalist,) = verdict([trial], runs).finalists
    estimate = finalist.optimism_interval
    assert estimate is not None
    # the search's tasks: variance 1 over 3; sealed tasks: 5/3 over 4; seeds: 2, once and over 2
    parts = [(1 / 3, 2), (5 / 12, 3), (2 * 1.5, 1)]
    assert estimate.value == finalist.optimism == 1.5
    assert estimate.stderr == pytest.approx(math.sqrt(sum(value for value, _ in parts)))
    half = math.hypot(*(student_t(0.975, n) * math.sqrt(value) for value, n in parts))
    assert (estimate.low, estimate.high) == pytest.approx((1.5 - half, 1.5 + half))


def test_finalists_say_where_the_search_had_them_and_how_far_from_the_best_they_are() -> None:
    best, other = [1.0, 5.0, 2.0, 8.0], [1.5, 5.6, 2.4, 8.5]
    runs = [fresh(6, 0, other), fresh(7, 1, best)]
    first, second = verdict([found(0, 0.5), found(1, 0.9)], runs).finalists
    assert [(one.trial_number, one.search_rank) for one in (first, second)] == [(1, 2), (0, 1)]
    assert first.to_best is None and second.to_best is not None
    assert second.to_best.value == pytest.approx(0.5)
    assert 0 < second.to_best.low < 0.5 < second.to_best.high
    assert not second.tied_with_best


def test_the_steps_at_test_are_chosen_on_meta_validation_and_only_read_on_sealed_tasks() -> None:
    trial = found(0, curve=[3.0, 1.0, 0.8, 0.9])
    runs = [
        fresh(6, 0, [1.0, 1.2], curve=[3.0, 1.1, 0.7, 0.2]),
        fresh(7, 0, [1.0, 1.2], curve=[3.0, 1.1, 0.9, 0.4]),
    ]
    (finalist,) = verdict([trial], runs).finalists
    steps = finalist.steps
    assert steps is not None
    assert (steps.own, steps.chosen) == (1, 2)  # sealed tasks alone would have said 3
    assert (steps.sealed_at_own, steps.sealed_at_chosen) == pytest.approx((1.1, 0.8))
    assert finalist.sealed is not None and finalist.sealed.score == pytest.approx(1.1)
    assert steps.search_curve == [3.0, 1.0, 0.8, 0.9]


def test_the_fewest_of_equally_good_steps_are_chosen() -> None:
    assert best_steps([-0.2, -0.7, -0.9, -0.9]) == 2  # of accuracies
    assert best_steps([0.2, 0.7, 0.1, 0.1]) == 2


def test_the_best_is_compared_with_the_defaults_by_task() -> None:
    runs = [fresh(6, 0, [1.0, 5.0, 2.0, 8.0]), fresh(7, 0, [1.1, 5.1, 2.1, 8.1])]
    defaults = [fresh(8, 0, [2.02, 6.12, 3.02, 8.96]), fresh(9, 0, [2.06, 6.16, 3.06, 9.0])]
    result = verdict([found(0)], runs, defaults)
    comparison = result.comparison
    assert comparison is not None and comparison.difference is not None
    assert comparison.difference.value == pytest.approx(-1.0)
    assert comparison.difference.low < -1.0 < comparison.difference.high < 0.0
    assert comparison.sealed is not None and comparison.sealed.seeds == 2
    assert comparison.cost.fresh_device_seconds == 10.0
    assert [run.trial_number for run in comparison.runs] == [8, 9]
    assert [one.trial_number for one in result.finalists] == [0]
    assert result.device_seconds == 30.0


def test_defaults_that_train_badly_leave_the_finalists_intervals_alone() -> None:
    runs = [fresh(6, 0, [1.0, 2.0, 3.0]), fresh(7, 0, [1.1, 2.0, 3.2])]
    noisy = [fresh(8, 0, [5.0, 6.0, 7.0]), fresh(9, 0, [50.0, 60.0, 70.0])]
    alone, compared = verdict([found(0)], runs), verdict([found(0)], runs, noisy)
    assert alone.finalists == compared.finalists
    assert compared.comparison is not None and compared.comparison.difference is not None
    assert compared.comparison.difference.high > 0  # two seeds that differ so decide nothing


def test_defaults_that_never_reached_the_end_are_still_in_the_result() -> None:
    result = verdict([found(0)], [fresh(6, 0, [1.0, 2.0])], [fresh(7, 0, [])])
    assert result.comparison is not None
    assert (result.comparison.sealed, result.comparison.difference) == (None, None)
    assert result.comparison.runs[0].cause == "loss was not finite"


def test_what_a_finalist_cost_is_told_by_part() -> None:
    (finalist,) = verdict([found(0)], [fresh(6, 0, [1.0]), fresh(7, 0, [])]).finalists
    assert finalist.cost is not None
    assert finalist.cost.model_dump() == {
        "search_device_seconds": 10.0,
        "fresh_device_seconds": 10.0,
        "search_meta_iterations": 180,
        "fresh_meta_iterations": 360,
    }


def test_a_verdict_of_an_older_version_can_be_read() -> None:
    stored = verdict([found(0)], [fresh(6, 0, [1.0, 2.0])]).model_dump(mode="json")
    added = ("search_rank", "optimism_interval", "to_best", "steps", "cost")
    stored["finalists"] = [
        {name: value for name, value in one.items() if name not in added}
        for one in stored["finalists"]
    ]
    del stored["comparison"]
    old = StudyResult.model_validate(stored)
    assert old.comparison is None and old.finalists[0].steps is None


OMNIGLOT = {"tasks": {"kind": "omniglot"}, "model": {"kind": "conv4"}}
eighths = st.integers(0, 8).map(lambda eighth: eighth / 8)  # 1 - x and the means are exact
four_scores = st.lists(eighths, min_size=4, max_size=4)


@given(st.lists(st.tuples(four_scores, four_scores, four_scores), min_size=1, max_size=4))
@settings(deadline=None, max_examples=examples(30))
def test_accuracies_and_what_they_lack_as_errors_have_mirrored_verdicts(
    trained: list[tuple[list[float], list[float], list[float]]],
) -> None:
    def result(sign: int, **changes: Any) -> StudyResult:
        signed = [
            [[s if sign > 0 else 1 - s for s in scores] for scores in each] for each in trained
        ]
        unadapted = 0.0 if sign > 0 else 1.0
        trials = [
            found(n, sum(own) / 4, scores=own, curve=own) for n, (own, *_) in enumerate(signed)
        ]
        runs = [
            fresh(10 + 2 * n + k, n, scores, curve=[unadapted, *scores])
            for n, (_, *sealed) in enumerate(signed)
            for k, scores in enumerate(sealed)
        ]
        return verdict(trials, runs, [fresh(90, 0, signed[0][0])], **changes)

    accuracy, error = result(1, **OMNIGLOT), result(-1)
    for mine, theirs in zip(accuracy.finalists, error.finalists, strict=True):
        assert (mine.trial_number, mine.search_rank) == (theirs.trial_number, theirs.search_rank)
        assert (mine.tied_with_best, mine.optimism) == (theirs.tied_with_best, theirs.optimism)
        assert mine.optimism_interval and theirs.optimism_interval
        assert mine.optimism_interval.stderr == pytest.approx(theirs.optimism_interval.stderr)
        assert mine.steps and theirs.steps and mine.steps.chosen == theirs.steps.chosen
        assert mine.sealed and theirs.sealed
        low, high = 1 - theirs.sealed.high, 1 - theirs.sealed.low
        assert (mine.sealed.low, mine.sealed.high) == pytest.approx((max(0.0, low), high))
        assert mine.sealed.chosen_among == theirs.sealed.chosen_among
    best = [result.branches["maml"].best_score or 0.0 for result in (accuracy, error)]
    assert best[0] == 1 - best[1]
    gaps = [result.comparison and result.comparison.difference for result in (accuracy, error)]
    assert gaps[0] and gaps[1]
    mirrored = (max(-1.0, -gaps[1].high), min(1.0, -gaps[1].low))
    assert (gaps[0].low, gaps[0].high) == pytest.approx(mirrored)


def test_what_was_kept_of_each_training_is_declared() -> None:
    best = {"tasks": 20, "keep": "best"}
    trials = [found(0, kept_at=(60, 120)), found(1, 2.0, kept_at=(60,))]
    runs = [fresh(10, 0, [1.0, 1.1], kept_at=120), fresh(11, 0, [1.0, 1.2], kept_at=60)]
    runs += [fresh(12, 1, [2.0, 2.1], kept_at=180), fresh(13, 1, [])]
    result = verdict(trials, runs, evaluation=best)
    assert result.keep == "best"
    first, second = result.finalists
    assert (first.search.kept_at, second.search.kept_at) == ([60, 120], [60])
    assert [run.kept_at for run in first.runs] == [120, 60]
    assert [run.kept_at for run in second.runs] == [180, None]
    told = kept(first)
    assert (
        told
        == "trial 0: best at meta-iteration 60 and 120 in the search, 120 and 60 trained afresh"
    )
    last = verdict([found(0)], [fresh(10, 0, [1.0, 1.1])])
    assert last.keep == "last" and kept(last.finalists[0]) is None
