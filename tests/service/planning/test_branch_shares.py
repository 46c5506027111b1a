"""Shares: how many trials each branch has before any result."""

from typing import Any

from service.planning.branch_shares import first_budgets, floors, moves, startup_of, weighted
from tests.fakes.specs import SMALL, small_spec

MAML, REPTILE = SMALL["branches"]
LONG: dict[str, Any] = {"budget": {"trials": 60, "meta_iterations": 180}}


def test_branches_begin_with_even_shares_or_those_they_name() -> None:
    assert first_budgets(small_spec()) == [3, 3]
    shared = [{**MAML, "share": 2}, {**REPTILE, "share": 1}]
    assert first_budgets(small_spec(branches=shared)) == [4, 2]


def test_no_branch_gets_less_than_it_has_asked_for() -> None:
    assert weighted(small_spec(), [0, 5]) == [1, 5]


def test_results_move_trials_only_where_there_are_more_than_start_up_takes() -> None:
    assert not moves(small_spec())
    assert moves(small_spec(**LONG))
    assert not moves(small_spec(**LONG, search={"sampler": "random", "allocation": "even"}))
    assert not moves(small_spec(**LONG, branches=[MAML]))


def test_a_floor_is_a_part_of_an_even_share_and_holds_what_warms_a_branch_up() -> None:
    assert floors(small_spec(**LONG)) == [15, 15]
    warm = {"trials": [{"branch": "maml", "params": {"inner_lr": 0.01, "outer_lr": 0.002}}] * 3}
    none = {"sampler": "random", "floor": 0.0}
    assert floors(small_spec(search=none, warm_start=warm)) == [3, 0]


def test_a_branch_is_compared_after_its_start_up_trials_as_far_as_its_floor_pays_for_them() -> None:
    search = {"sampler": "random", "startup_trials": 12}
    assert startup_of(small_spec(**LONG, search=search), 0) == 12
    assert startup_of(small_spec(**LONG, search={**search, "startup_trials": 50}), 0) == 15
