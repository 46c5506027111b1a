"""Importances: what mattered is named, alone or as a pair; what has no effect is chance."""

import random
from collections.abc import Callable

import pytest

from metaopt.search.importance import Point, importances, least_trials
from metaopt.search.space import Choice, Float, Int

SPACE = {
    "inner_lr": Float(1e-3, 1.0, log=True),
    "outer_lr": Float(0.0, 1.0),
    "steps": Int(1, 5),
    "order": Choice(("first", "second")),
}
LEAST = least_trials(len(SPACE))


def points(count: int, loss: Callable[[dict], float], seed: int = 0) -> list[Point]:
    draw = random.Random(seed)
    listed = []
    for _ in range(count):
        params = {
            "inner_lr": 10 ** draw.uniform(-3, 0),
            "outer_lr": draw.random(),
            "steps": draw.randint(1, 5),
            "order": draw.choice(["first", "second"]),
        }
        listed.append(Point(params, loss(params) + 0.001 * draw.random()))
    return listed


def by_rate(params: dict) -> float:
    return abs(params["inner_lr"] - 0.03)


def valley(params: dict) -> float:
    """Return a loss where rate times steps must suit: neither matters much alone."""
    return abs(params["outer_lr"] - (params["steps"] - 1) / 4)


def by_order(params: dict) -> float:
    return float(params["order"] == "first")


def nothing(params: dict) -> float:
    return 0.0


def named(count: int, loss: Callable[[dict], float], seed: int = 0) -> set:
    answer = importances(SPACE, points(count, loss, seed), seed=seed)
    assert answer is not None
    alone = {name for name, share in answer.parameters.items() if share.more_than_chance}
    return alone | set(answer.pairs)


@pytest.mark.parametrize("loss, name", [(by_rate, "inner_lr"), (by_order, "order")])
def test_the_parameter_that_matters_comes_first_and_the_others_are_chance(
    loss: Callable[[dict], float], name: str
) -> None:
    answer = importances(SPACE, points(60, loss), seed=1)
    assert answer is not None and answer.pairs == {}
    first, *others = answer.parameters.values()
    assert next(iter(answer.parameters)) == name and first.more_than_chance
    assert first.low > max(first.chance, *(other.share for other in others))
    assert all(not other.more_than_chance and other.low == 0 for other in others)
    assert all(other.share <= other.chance for other in others)


def test_parameters_that_matter_together_are_named_as_a_pair_and_an_idle_one_is_not() -> None:
    answer = importances(SPACE, points(100, valley), seed=1)
    assert answer is not None
    assert set(answer.pairs) == {("outer_lr", "steps")}
    assert set(list(answer.parameters)[:2]) == {"outer_lr", "steps"}
    assert named(100, valley) == {"outer_lr", "steps", ("outer_lr", "steps")}


@pytest.mark.parametrize("count", [LEAST, 500])
def test_noise_is_no_more_than_chance(count: int) -> None:
    studies = 12 if count == LEAST else 1
    assert sum(bool(named(count, nothing, seed)) for seed in range(studies)) <= 1


def test_drift_of_an_idle_parameter_while_places_improve_is_no_effect() -> None:
    """A sampler that learns goes to better places, and by luck to higher idle values."""
    draw = random.Random(1)
    drifted = [
        Point({**point.params, "outer_lr": min(1.0, number / 200 + 0.5 * draw.random())}, -number)
        for number, point in enumerate(points(100, nothing))
    ]
    noisy = [point._replace(value=point.value + draw.gauss(0, 20)) for point in drifted]
    answer = importances(SPACE, noisy, seed=1)
    assert answer is not None and not answer.parameters["outer_lr"].more_than_chance
    shuffled = draw.sample(noisy, len(noisy))
    unaware = importances(SPACE, shuffled, seed=1)
    assert unaware is not None and unaware.parameters["outer_lr"].more_than_chance


def test_shares_and_their_bounds_are_shares() -> None:
    for loss in (by_rate, valley, nothing):
        answer = importances(SPACE, points(40, loss), seed=1)
        assert answer is not None
        every = [*answer.parameters.values(), *answer.pairs.values()]
        assert all(0 <= s.low <= s.share <= s.high <= 1 for s in every)


def test_few_trials_give_wide_intervals() -> None:
    def width(count: int) -> float:
        answer = importances(SPACE, points(count, by_rate), seed=1)
        assert answer is not None
        share = answer.parameters["inner_lr"]
        return share.high - share.low

    assert width(LEAST) > 1.5 * width(160)


def test_the_same_points_and_seed_give_the_same_bits() -> None:
    first, again, other = (importances(SPACE, points(30, by_rate), seed=s) for s in (1, 1, 2))
    assert first == again
    assert first != other


def test_too_few_or_equal_trials_have_none() -> None:
    assert importances(SPACE, points(LEAST - 1, by_rate), seed=1) is None
    assert importances(SPACE, points(LEAST, by_rate), seed=1) is not None
    equal = [p._replace(value=3.0) for p in points(LEAST, by_rate)]
    assert importances(SPACE, equal, seed=1) is None
    assert importances({}, points(LEAST, by_rate), seed=1) is None


def test_a_strong_effect_is_named_from_the_fewest_trials_that_tell() -> None:
    assert sum("inner_lr" in named(LEAST, by_rate, seed) for seed in range(10)) >= 8


def test_a_parameter_that_never_changed_is_chance() -> None:
    fixed = [p._replace(params={**p.params, "steps": 3}) for p in points(40, by_rate)]
    answer = importances(SPACE, fixed, seed=1)
    assert answer is not None
    assert answer.parameters["steps"].share == 0 and answer.parameters["inner_lr"].share > 0.3


def test_where_most_diverged_what_tells_them_apart_is_named() -> None:
    diverged = [
        p._replace(value=1e9) if p.params["inner_lr"] > 0.02 else p for p in points(60, nothing)
    ]
    answer = importances(SPACE, diverged, seed=1)
    assert answer is not None and next(iter(answer.parameters)) == "inner_lr"


def test_points_outside_the_space_are_left_out() -> None:
    inside = points(30, by_rate)
    strange = [Point({**inside[0].params, "inner_lr": 5.0}, -1.0), Point({}, -2.0)]
    assert importances(SPACE, [*inside, *strange], seed=1) == importances(SPACE, inside, seed=1)


def test_a_single_parameter_is_told_from_chance_too() -> None:
    alone = {"inner_lr": SPACE["inner_lr"]}
    answer = importances(alone, points(20, by_rate), seed=1)
    assert answer is not None and answer.parameters["inner_lr"].more_than_chance
    idle = importances({"outer_lr": SPACE["outer_lr"]}, points(20, by_rate), seed=1)
    assert idle is not None and not idle.parameters["outer_lr"].more_than_chance
