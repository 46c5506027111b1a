"""The divergence frontier, on maps whose answer one sees."""

import pytest

from service.report.stability import divergence_frontier
from service.wire.views.report import StabilityPoint


def row(steps: int, trained: list[float], diverged: list[float]) -> list[StabilityPoint]:
    return [
        StabilityPoint(
            trial_number=0, inner_lr=rate, inner_steps=steps, diverged=bad, diverged_at=None,
            cause=None,
        )
        for bad, rates in ((False, trained), (True, diverged))
        for rate in rates
    ]  # fmt: skip


def test_the_frontier_lies_between_the_greatest_that_trained_and_the_least_that_diverged() -> None:
    (found,) = divergence_frontier(row(5, [0.001, 0.01], [1.0, 0.1]))
    assert (found.inner_steps, found.low, found.high, found.misplaced) == (5, 0.01, 0.1, 0)
    assert found.inner_lr == pytest.approx(10**-1.5)


def test_a_trial_on_the_wrong_side_is_counted_and_does_not_move_the_frontier() -> None:
    (found,) = divergence_frontier(row(1, [0.01, 0.02, 0.03, 0.04, 0.7], [0.025, 0.3, 0.5, 1.0]))
    assert (found.low, found.high, found.misplaced) == (0.04, 0.3, 2)


@pytest.mark.parametrize(
    ("trained", "diverged"),
    [([0.1, 0.2], []), ([], [0.1]), ([0.5, 0.6], [0.1]), ([0.1], [0.1])],
)
def test_without_both_kinds_in_their_order_there_is_no_frontier(trained, diverged) -> None:
    assert divergence_frontier(row(1, trained, diverged)) == []


def test_each_number_of_steps_has_its_own() -> None:
    points = row(1, [0.1], [1.0]) + row(5, [0.01], [0.1]) + row(3, [0.1], [])
    assert [(f.inner_steps, f.high) for f in divergence_frontier(points)] == [(1, 1.0), (5, 0.1)]
