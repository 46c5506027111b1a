"""The grid."""

import pytest

from metaopt.errors import InvalidSearch
from metaopt.goals import Goals
from metaopt.search.branches import BranchSearch
from metaopt.search.samplers.grid import Grid, check, grid_values, points
from metaopt.search.samplers.kind import Problem
from metaopt.search.space import Choice, Float, Int

SPACE = {"lr": Float(1e-3, 1.0, log=True), "steps": Int(1, 5), "order": Choice(("a", "b"))}


def problem(space, grid_points):
    return Problem(space, Goals(maximize=False), 1, "maml", 0, grid_points)


def test_choices_and_whole_numbers_are_all_taken_and_ranges_by_points():
    assert grid_values(Choice(("b", "a")), 3) == ["b", "a"]
    assert grid_values(Int(4, 7, log=True), 3) == [4, 5, 6, 7]
    assert grid_values(Float(0, 2), 5) == [0.0, 0.5, 1.0, 1.5, 2.0]
    assert grid_values(Float(1e-3, 1.0, log=True), 4) == pytest.approx([1e-3, 1e-2, 1e-1, 1.0])
    assert grid_values(Float(1e-3, 1.0, log=True), 2) == [1e-3, 1.0]


def test_every_point_comes_once_in_an_order_of_the_seed():
    grid = Grid(SPACE, 1, 4)
    order = [tuple(grid.suggest(index).values()) for index in range(40)]
    assert len(order) == len(set(order)) == 4 * 5 * 2
    assert order != sorted(order)
    again = [tuple(Grid(SPACE, 1, 4).suggest(index).values()) for index in range(40)]
    other = [tuple(Grid(SPACE, 2, 4).suggest(index).values()) for index in range(40)]
    assert order == again and order != other and sorted(order) == sorted(other)


def test_an_exhausted_grid_says_so():
    run = BranchSearch(
        {"steps": Int(1, 2)},
        sampler="grid",
        study_seed=1,
        branch="maml",
        startup_trials=3,
    )
    assert run.limit == 2
    assert {run.ask(n)["steps"] for n in range(2)} == {1, 2}
    with pytest.raises(InvalidSearch, match="the grid's 2 points have all been asked for"):
        run.ask(2)


def test_a_grid_of_unusable_size_is_refused():
    assert check(problem(SPACE, 1)) == "grid_points must be >= 2, got 1"
    huge = check(problem({name: Float(0, 1) for name in "abcde"}, 100))
    assert "has 10000000000 points, 100 (a) x 100 (b)" in huge and "the most is 1000000" in huge
    assert check(problem(SPACE, 4)) is None and points(problem(SPACE, 4)) == 40
