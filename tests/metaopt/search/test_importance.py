"""Importances: what mattered is found, noise is admitted, the same points give the same bits."""

import random

import pytest

from metaopt.search.importance import LEAST_TRIALS, Point, importances
from metaopt.search.space import Choice, Float, Int

SPACE = {
    "inner_lr": Float(1e-3, 1.0, log=True),
    "outer_lr": Float(0.0, 1.0),
    "steps": Int(1, 5),
    "order": Choice(("first", "second")),
}


def points(count: int, seed: int = 0) -> list[Point]:
    """Return trials whose value hangs on the inner rate alone."""
    draw = random.Random(seed)
    found = []
    for _ in range(count):
        rate = 10 ** draw.uniform(-3, 0)
        params = {
            "inner_lr": rate,
            "outer_lr": draw.random(),
            "steps": draw.randint(1, 5),
            "order": draw.choice(["first", "second"]),
        }
        found.append(Point(params, abs(rate - 0.03) + 0.001 * draw.random()))
    return found


def test_the_parameter_that_matters_comes_first_and_shares_add_up() -> None:
    found = importances(SPACE, points(80), seed=1)
    assert next(iter(found)) == "inner_lr"
    assert sum(share.share for share in found.values()) == pytest.approx(1.0)
    assert found["inner_lr"].low > max(found[name].share for name in SPACE if name != "inner_lr")
    assert all(0 <= s.low <= s.share <= s.high <= 1 for s in found.values())


def test_few_trials_give_wide_intervals() -> None:
    def width(count: int) -> float:
        shares = importances(SPACE, points(count), seed=1).values()
        return sum(share.high - share.low for share in shares)

    assert width(12) > 1.5 * width(120)


def test_the_same_points_and_seed_give_the_same_bits() -> None:
    first, again, other = (importances(SPACE, points(20), seed=s, resamples=20) for s in (1, 1, 2))
    assert first == again
    assert first != other


def test_too_few_or_equal_trials_have_none() -> None:
    assert importances(SPACE, points(LEAST_TRIALS - 1), seed=1) == {}
    assert importances(SPACE, [p._replace(value=3.0) for p in points(20)], seed=1) == {}


def test_where_most_diverged_resamples_that_say_nothing_are_left_out() -> None:
    some = [p if n < 4 else p._replace(value=1e9) for n, p in enumerate(points(9))]
    found = importances(SPACE, some, seed=1)
    assert sum(share.share for share in found.values()) == pytest.approx(1.0)


def test_points_outside_the_space_are_left_out() -> None:
    strange = [Point({**points(1)[0].params, "inner_lr": 5.0}, -1.0), Point({}, -2.0)]
    assert importances(SPACE, [*points(20), *strange], seed=1) == importances(
        SPACE, points(20), seed=1
    )
