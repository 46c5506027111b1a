"""Verdicts on scores made up so that the answer is known."""

import math
import random
from typing import Any

import pytest

from service.dispatcher.verdict import SealedRun, SearchTrial, choose_finalists, study_result
from service.wire.result import StudyResult
from tests.fakes.studies import small_spec


def found(number: int, score: float = 1.0) -> SearchTrial:
    return SearchTrial(number, "maml", "completed", {"inner_lr": 0.1}, score, 0.9, 1.1, 10.0)


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
    }
    return SealedRun(**{**fields, **changes})


def verdict(trials: list[SearchTrial], runs: list[SealedRun], **changes: Any) -> StudyResult:
    return study_result(
        small_spec(**changes), trials, runs, counts={"completed": len(trials)}, wall_seconds=60.0
    )


def test_the_best_are_chosen_in_the_direction_of_the_metric() -> None:
    trials = [(0, 0.5), (1, 0.2), (2, 0.9), (3, 0.2)]
    assert choose_finalists(trials, count=3, maximize=False) == [1, 3, 0]
    assert choose_finalists(trials, count=2, maximize=True) == [2, 0]


def test_the_sealed_interval_holds_the_noise_of_tasks_and_of_seeds() -> None:
    (finalist,) = verdict(
        [found(0)], [fresh(6, 0, [1.0, 2.0, 3.0, 4.0]), fresh(7, 0, [3.0, 4.0, 5.0, 6.0])]
    ).finalists
    sealed = finalist.sealed
    assert sealed is not None
    # by task 2, 3, 4, 5: variance 5/3 over 4 tasks; seeds' means 2.5 and 4.5: variance 2 over 2,
    # with one degree of freedom; Welch and Satterthwaite leave (17/12)² / ((5/12)²/3 + 1) = 1.
    half = 12.706 * math.sqrt(5 / 3 / 4 + 2 / 2)
    assert (sealed.score, sealed.tasks, sealed.seeds) == (3.5, 4, 2)
    assert (sealed.low, sealed.high) == pytest.approx((3.5 - half, 3.5 + half))
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
    lost = SearchTrial(1, "reptile", "diverged", {}, None, None, None, 7.0)
    result = verdict([found(0), lost], [fresh(6, 0, [1.0, 2.0])])
    assert result.branches["maml"].best_score == 1.0
    assert result.branches["reptile"].best_score is None
    assert result.branches["reptile"].device_seconds == 7.0
    assert result.device_seconds == 22.0
    assert StudyResult.model_validate(result.model_dump(mode="json")) == result


@pytest.mark.parametrize(
    ("seed_deviation", "task_deviation"), [(0.02, 0.1), (0.05, 0.3), (0.0, 0.2)]
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
