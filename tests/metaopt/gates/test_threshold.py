"""On which side of a threshold a truth lies that is only known by its limits."""

from metaopt.estimation.intervals import Interval
from metaopt.gates.threshold import side

LIMITS = Interval(1.0, 0.1, 0.8, 1.2)


def test_less_is_better_and_both_limits_have_to_agree() -> None:
    assert side(LIMITS, 1.3) == "pass"
    assert side(LIMITS, 1.0) == "undecided"
    assert side(LIMITS, 0.7) == "fail"


def test_a_limit_at_the_threshold_passes_unless_better_is_asked_for() -> None:
    assert side(LIMITS, 1.2) == "pass"
    assert side(LIMITS, 1.2, strictly=True) == "undecided"
    assert side(LIMITS, 0.8) == "undecided"
