"""Verdicts on data that misbehave, as studies of the sinusoid example had them."""

from typing import Any

import numpy as np
import pytest

from metaopt.algorithms.registry import complete
from metaopt.goals import Goals
from service.judgement.cautions import Judged, cautions
from service.judgement.estimates import SealedRun, contender
from service.judgement.heavy_tasks import heavy_tasks
from service.judgement.verdict import Beside, SearchTrial, study_result
from service.wire.views.result import Finalist, StudyResult
from service.wire.words.judgement import judgement_sentences
from service.wire.words.verdict import compared
from tests.fakes.specs import small_spec

PARAMS = complete("maml", {"inner_lr": 0.1})
MAML, REPTILE, WORSE = 4, 7, 9
ERRORS = Goals(maximize=False)


def training(source: int | None, scores: np.ndarray, *, diverged: int = 0) -> SealedRun:
    mean, share = float(scores.mean()), diverged / scores.size
    return SealedRun(0, source, "completed", None, mean, scores.tolist(), [4.0, mean], share, 1.0)


def scattered(mean: float, tasks: int = 1000, *, seed: int = 0) -> np.ndarray:
    """Losses with that mean, the same tasks hard for all."""
    difficulty = np.random.default_rng(0).lognormal(0.0, 0.8, tasks)
    own = np.random.default_rng(seed).lognormal(0.0, 0.2, tasks)
    losses = difficulty * own
    return losses * mean / losses.mean()


def verdict(runs: list[SealedRun], defaults: list[SealedRun] | None = None, **spec: Any):
    numbers = {run.source_trial_number for run in runs if run.source_trial_number is not None}
    trials = [
        SearchTrial(n, "maml", "completed", PARAMS, 0.6, 1.0, 9, 0.5, 0.7) for n in sorted(numbers)
    ]
    beside = [Beside("default", "maml", PARAMS, defaults)] if defaults else []
    return study_result(
        small_spec(**spec), trials, runs, beside=beside, counts={}, wall_seconds=1.0
    )


def exploded_once() -> StudyResult:
    """Eight trainings of four contenders on 1,000 tasks; one task of one scores 46,030."""
    wild = scattered(0.87, seed=11)
    wild[417] = 46_030.0
    return verdict(
        [
            *(training(MAML, scattered(m, seed=i)) for i, m in enumerate((0.648, 0.666))),
            *(training(REPTILE, s) for s in (wild, scattered(0.86, seed=12))),
            *(training(WORSE, scattered(m, seed=20 + i)) for i, m in enumerate((0.80, 0.79))),
        ],
        [training(None, scattered(m, seed=30 + i)) for i, m in enumerate((0.906, 0.919))],
        evaluation={"tasks": 4},
    )


def by_number(result: StudyResult) -> dict[int, Finalist]:
    return {finalist.trial_number: finalist for finalist in result.finalists}


def test_one_task_that_explodes_says_nothing_about_the_others() -> None:
    result = exploded_once()
    best = result.finalists[0]
    assert best.trial_number == MAML and best.sealed is not None
    assert best.sealed.score == pytest.approx(0.657)
    assert 0.45 < best.sealed.low < 0.61 and 0.70 < best.sealed.high < 0.87
    assert result.comparison is not None and result.comparison.difference is not None
    assert result.comparison.difference.high < 0.0  # better than the defaults


def test_a_finalist_that_exploded_is_not_tied_and_its_tasks_are_shown() -> None:
    wild = by_number(exploded_once())[REPTILE]
    assert not wild.tied_with_best and wild.rank == 3
    assert wild.sealed is not None and wild.sealed.heavy_tasks is not None
    heavy = wild.sealed.heavy_tasks
    assert (heavy.count, heavy.tasks[0].task) == (1, 417)
    assert heavy.without == pytest.approx(0.865, abs=0.02)
    assert heavy.share_of_variance > 0.99
    share = wild.sealed.exploded
    assert share is not None and share.value == 0.0005 and 0.0005 < share.high < 0.01


def test_what_the_intervals_cannot_hold_is_said_beside_them() -> None:
    texts = {(c.code, c.trial_number): c.text for c in exploded_once().cautions}
    assert "what goes wrong in one training in ten is not seen in 81 %" in texts["unseen", None]
    assert texts["exploding_tasks", REPTILE].startswith(
        f"trial {REPTILE}: adaptation explodes on 0.05 %"
    )
    sentence = texts["heavy_tasks", REPTILE]
    assert "1 of 1,000 tasks scores at least 23,016 and makes 100 %" in sentence
    assert "without it the score is 0.86" in sentence and sentence.endswith("(task 417)")


def test_intervals_lie_within_what_is_possible() -> None:
    for finalist in exploded_once().finalists:
        assert finalist.sealed is not None and finalist.sealed.low >= 0.0
    scores = np.full(400, 0.999)
    scores[:20] = 0.6
    noisy = [training(MAML, scores), training(MAML, np.full(400, 1.0))]
    omniglot = {"tasks": {"kind": "omniglot"}, "model": {"kind": "conv4"}}
    sealed = verdict(noisy, **omniglot).finalists[0].sealed
    assert sealed is not None and 0.0 <= sealed.low < sealed.score < sealed.high <= 1.0


def test_diverging_on_a_task_is_no_tie_with_a_best_that_diverges_on_none() -> None:
    diverging = scattered(0.274, 400, seed=2)
    diverging[3] = 1e6
    runs = [
        *(training(MAML, scattered(0.274, 400, seed=s)) for s in (0, 1)),
        training(REPTILE, diverging, diverged=1),
        training(REPTILE, scattered(0.274, 400, seed=3)),
    ]
    best, other = verdict(runs).finalists
    assert (best.trial_number, other.trial_number) == (MAML, REPTILE)
    assert not other.tied_with_best
    assert other.sealed is not None and other.sealed.exploded is not None
    assert other.sealed.exploded.value == 1 / 800


@pytest.mark.parametrize("statistic", ["mean", "median", "trimmed_mean"])
def test_score_interval_rank_and_tie_are_of_the_study_s_statistic(statistic: str) -> None:
    steady = scattered(1.0, 400, seed=1)
    # Better on most tasks, far worse on one in twenty: only the mean minds.
    uneven = steady * 0.7
    uneven[::20] = 30.0
    runs = [
        training(n, losses * (1 + 0.01 * s))
        for n, losses in ((MAML, steady), (REPTILE, uneven))
        for s in (0, 1)
    ]
    result = verdict(runs, evaluation={"tasks": 4, "statistic": statistic})
    first, second = result.finalists
    assert first.trial_number == (MAML if statistic == "mean" else REPTILE)
    assert not second.tied_with_best
    for finalist in result.finalists:
        sealed = finalist.sealed
        assert sealed is not None and sealed.low < sealed.score < sealed.high
        assert sealed.score == pytest.approx(getattr(sealed, statistic), rel=0.02)


def test_an_unsteady_training_is_pointed_at() -> None:
    means = {MAML: (0.70, 0.71, 0.70), REPTILE: (0.72, 0.71, 0.72), WORSE: (0.4, 1.3, 0.2)}
    runs = [training(n, scattered(m, seed=n)) for n, seeds in means.items() for m in seeds]
    unsteady = [c for c in verdict(runs).cautions if c.code == "unsteady_training"]
    assert [caution.trial_number for caution in unsteady] == [WORSE]


def test_sealed_tasks_that_are_drawn_again_are_no_sample_of_others() -> None:
    runs = [training(MAML, scattered(1.0, seed=seed)) for seed in range(3)]
    judged = [Judged("trial 0", 0, contender(runs, ERRORS), verdict(runs).finalists[0].sealed)]  # type: ignore[arg-type]
    tasks = judged[0].fresh.tasks
    for different, said in (
        (None, None),
        (tasks, None),
        (28, "28 different ones"),
        (1, "one task"),
    ):
        given = cautions(judged, "mse", different=different)
        found = [caution.text for caution in given if caution.code == "few_different"]
        assert len(found) == (said is not None)
        assert all(f"the {tasks:,} sealed tasks are {said}, drawn again" in text for text in found)


def test_of_three_tasks_that_explode_all_are_heavy() -> None:
    losses = scattered(1.0)
    losses[[3, 30, 300]] = 1e6, 1e6, 4e4
    heavy = heavy_tasks(contender([training(MAML, losses)], ERRORS), ERRORS)
    assert heavy is not None and heavy.count == 3
    assert [task.task for task in heavy.tasks] == [3, 30, 300]
    assert heavy.without == pytest.approx(1.0, rel=0.05) and heavy.beyond == 4e4


def test_losses_that_scatter_as_usual_have_no_heavy_tasks() -> None:
    fresh = contender([training(MAML, scattered(1.0))], Goals(maximize=False))
    assert heavy_tasks(fresh, Goals(maximize=False)) is None
    assert cautions([], "mse") == []


def test_that_only_the_defaults_explode_is_said_where_they_are_compared() -> None:
    wild = scattered(0.9, seed=31)
    wild[5] = 1e6
    runs = [training(MAML, scattered(m, seed=i)) for i, m in enumerate((0.648, 0.666))]
    result = verdict(runs, [training(None, wild), training(None, scattered(0.9, seed=32))])
    assert result.comparison is not None
    sentence = compared(small_spec(), result, result.comparison)
    assert sentence.endswith("; this explodes on 0.05 % of the tasks, the best on none")


def test_what_is_said_of_a_verdict_ends_with_the_cautions() -> None:
    result = exploded_once()
    sentences = judgement_sentences(small_spec(), result)
    assert sentences[-1].startswith(f"Mind: trial {REPTILE}: 1 of 1,000 tasks scores at least")
    assert sum("is not seen" in sentence for sentence in sentences) == 1


def test_who_only_explodes_is_not_said_to_be_worse_by_more_than_the_noise() -> None:
    ties = judgement_sentences(small_spec(), exploded_once())[2]
    assert "by more than the noise" not in ties and f"trial {REPTILE}" in ties


def test_what_trains_only_sometimes_is_no_tie_and_is_said() -> None:
    broken = SealedRun(0, REPTILE, "diverged", "loss was not finite", None, [], [], 0.0, 1.0)
    runs = [
        *(training(MAML, scattered(0.70, seed=s)) for s in range(3)),
        training(REPTILE, scattered(0.70, seed=4)),
        broken,
        broken,
    ]
    result = verdict(runs)
    best, other = result.finalists
    assert best.trial_number == MAML and not other.tied_with_best
    texts = {caution.code: caution.text for caution in result.cautions}
    assert texts["broken_trainings"].startswith(f"trial {REPTILE}: 2 of 3 fresh trainings did not")
    assert texts["unseen"].startswith("trained 3 times and judged on 1,000 tasks")
