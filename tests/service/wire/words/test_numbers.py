"""Numbers in words."""

import pytest

from service.wire.words import numbers


def test_what_happened_one_time_happened_once() -> None:
    assert [numbers.times(count) for count in (1, 2, 1200)] == ["once", "2 times", "1,200 times"]


@pytest.mark.parametrize("metric", ["accuracy", "macro_f1"])
def test_shares_are_in_per_cent_and_their_differences_in_points(metric: str) -> None:
    assert numbers.score(0.9712, metric) == "97.1 %"
    assert numbers.difference(-0.0123, metric) == "-1.2"
    assert numbers.distance(-0.0123, metric) == "1.2 points"
    assert numbers.interval(0.5, 0.75, metric) == "[50.0, 75.0]"


@pytest.mark.parametrize("metric", ["mse", "mae", "nmse", "cross_entropy", "of an old plugin", ""])
def test_other_scores_are_as_they_are(metric: str) -> None:
    assert numbers.score(0.97123, metric) == "0.9712"
    assert numbers.difference(0.0123, metric) == "+0.0123"
    assert numbers.distance(-0.0123, metric) == "0.0123"
    assert numbers.score_with_interval(1.5, 1.0, 2e5, metric) == "1.5 [1, 200,000]"
