"""Is a winner better than what learns nothing but the support set?"""

import random

import pytest

from metaopt.estimation.intervals import EVEN
from metaopt.estimation.limits import error_of_mean, student_t
from metaopt.goals import Goals
from service.judgement.estimates import SealedRun, contender
from service.judgement.trivial import Winner, trivial_reference
from service.wire.views.result import TrivialReference

TASKS = 60
LUCK = random.Random(3)
DIFFICULTY = [LUCK.gauss(2.0, 0.5) for _ in range(TASKS)]
NOISE = [LUCK.gauss(0.0, 0.1) for _ in range(TASKS)]


def run(scores: list[float]) -> SealedRun:
    return SealedRun(0, 0, "completed", None, None, scores, [], 0.0, 1.0)


def judged(*gaps: float, maximize: bool = False) -> TrivialReference:
    """The winner beside predictors whose losses are higher by these gaps on average."""
    goals = Goals(maximize)
    winner = contender([run([goals.score(loss) for loss in DIFFICULTY])] * 2, goals)
    scores = {
        f"predictor_{i}": [
            goals.score(loss + gap + noise) for loss, noise in zip(DIFFICULTY, NOISE, strict=True)
        ]
        for i, gap in enumerate(gaps)
    }
    found = trivial_reference(scores, Winner(winner, EVEN), goals)
    assert found is not None
    return found


@pytest.mark.parametrize("maximize", [False, True])
@pytest.mark.parametrize(
    ("gaps", "answer", "standings"),
    [
        ((0.5, 0.9), "better", ["better", "better"]),
        ((0.01, 0.9), "open", ["not_told_apart", "better"]),
        ((-0.01, 0.9), "useless", ["not_told_apart", "better"]),
        ((0.9, -0.5), "useless", ["worse", "better"]),
    ],
)
def test_better_is_better_than_each_beyond_the_interval(
    gaps: tuple[float, ...], answer: str, standings: list[str], maximize: bool
) -> None:
    centre = sum(NOISE) / TASKS
    found = judged(*(gap - centre for gap in gaps), maximize=maximize)
    assert found.answer == answer
    assert [each.standing for each in found.predictors] == standings  # the best first
    sign = -1 if maximize else 1
    assert found.predictors[0].difference.value == pytest.approx(-sign * min(gaps))


def test_the_difference_is_paired_by_task_and_has_no_noise_of_what_is_not_trained() -> None:
    (predictor,) = judged(0.2).predictors
    error = error_of_mean([-0.2 - noise for noise in NOISE])
    assert predictor.difference.stderr == pytest.approx(error.stderr)
    half = error.stderr * student_t(0.975, TASKS - 1)
    assert predictor.difference.high - predictor.difference.low == pytest.approx(2 * half, rel=0.1)
    assert len(predictor.scores) == TASKS
    assert predictor.sealed.value == pytest.approx(sum(predictor.scores) / TASKS)


def test_the_noise_of_the_winner_s_trainings_counts() -> None:
    goals = Goals(False)
    noisy = contender([run(DIFFICULTY), run([loss + 1.0 for loss in DIFFICULTY])], goals)
    noisy = noisy._replace(noise=noisy.noise._replace(variance=0.5, degrees=1))
    scores = {"ridge": [loss + 2.0 + n for loss, n in zip(DIFFICULTY, NOISE, strict=True)]}
    found = trivial_reference(scores, Winner(noisy, EVEN), goals)
    assert found is not None and found.answer == "open"  # one degree of freedom decides nothing


def test_a_winner_that_ties_on_every_task_is_useless() -> None:
    goals = Goals(True)
    winner = contender([run([0.2, 0.2, 0.2])], goals)
    found = trivial_reference({"class_frequencies": [0.2] * 3}, Winner(winner, EVEN), goals)
    assert found is not None and found.answer == "useless"
    assert found.predictors[0].standing == "not_told_apart"


def test_without_predictors_or_without_a_winner_nothing_is_said() -> None:
    goals = Goals(False)
    winner = Winner(contender([run(DIFFICULTY)], goals), EVEN)
    assert trivial_reference({}, winner, goals) is None
    assert trivial_reference({"ridge": DIFFICULTY}, None, goals) is None
