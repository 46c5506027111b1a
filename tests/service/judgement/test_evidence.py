"""The evidence that rules of gates are given."""

import pytest

from metaopt.goals import Goals
from service.judgement.estimates import SealedRun
from service.judgement.evidence import Evidence, ScoreFigures, with_noise

ACCURACIES, ERRORS = Goals(maximize=True), Goals(maximize=False)


def run(*scores: float) -> SealedRun:
    return SealedRun(0, 0, "completed", None, None, list(scores), [], 0.0, 1.0)


def test_each_has_the_noise_of_its_own_trainings() -> None:
    calm, noisy = [run(0.5), run(0.5)], [run(0.5), run(0.9)]
    candidate, baseline = with_noise(calm, noisy, ACCURACIES)
    assert baseline is not None
    assert candidate.noise.variance == 0.0 and baseline.noise.variance > 0.0


def test_a_single_training_borrows_the_noise_of_the_other_s() -> None:
    candidate, baseline = with_noise([run(0.5)], [run(0.5), run(0.9)], ACCURACIES)
    assert baseline is not None and candidate.noise == baseline.noise
    assert with_noise([run(0.5)], None, ACCURACIES)[1] is None


def test_an_excess_is_above_zero_where_the_candidate_is_worse_in_either_direction() -> None:
    for goals in (ACCURACIES, ERRORS):
        scores = [goals.score(loss) for loss in (0.4, 0.5)]
        worse, better = [run(*(goals.score(0.6), goals.score(0.7)))], [run(*scores)]
        candidate, baseline = with_noise(worse, better, goals)
        evidence = Evidence(candidate, baseline, goals, "accuracy", 0.05)
        assert evidence.excess_loss().value == pytest.approx(0.2)
        assert evidence.mean_loss().value == pytest.approx(0.65)


def test_a_smaller_error_rate_has_wider_limits() -> None:
    candidate, _ = with_noise([run(0.1, 0.2, 0.4)], None, ERRORS)
    wide, narrow = (Evidence(candidate, None, ERRORS, "mse", rate) for rate in (0.01, 0.05))
    measured = candidate and wide.mean_loss()
    assert (
        wide.interval(measured.value, measured.errors).high
        > narrow.interval(measured.value, measured.errors).high
    )
    assert wide.share_interval(0.1, 50).high > narrow.share_interval(0.1, 50).high


def test_figures_are_in_the_unit_of_the_metric() -> None:
    accuracy, error = ScoreFigures("accuracy", ACCURACIES), ScoreFigures("mse", ERRORS)
    assert (accuracy.score(0.5), accuracy.difference(0.02)) == ("50.0 %", "+2.0")
    assert (error.score(0.5), error.difference(0.02)) == ("0.5", "+0.02")
    assert (accuracy.better_side, error.better_side) == ("above", "below")
