"""Standings: in which order trials at a rung are, and that arrivals leave those before alone."""

import math

import pytest

from metaopt.errors import InvalidSearch
from metaopt.search.pruning.standings import Rank, Standings


def test_without_a_broken_constraint_the_losses_are_what_ranks():
    standings = Standings({1: 0.3, 2: 0.1})
    assert standings.numbers(0, 2) == [2, 1] and standings.best == Rank(0.0, 0.1)


def test_who_keeps_the_constraints_is_ahead_of_who_does_not():
    standings = Standings({2: 5.0, 3: 9.0, 4: 9.0})
    standings.add(0, Rank(1.7, 0.1))
    standings.add(1, Rank(1.2, 0.2))
    assert standings.numbers(0, 5) == [2, 3, 4, 1, 0]
    assert not standings.is_behind(4, 1) and standings.is_behind(1, 2)


def test_arrivals_are_among_the_others_and_leave_them_as_they_were():
    before = Standings({1: 0.3, 2: 0.1})
    after = before.with_arrivals([(3, Rank(0.0, 0.2))])
    assert after.numbers(0, 3) == [2, 3, 1] and after.place_of(1) == 2
    assert before.numbers(0, 3) == [2, 1] and 3 not in before


def test_what_has_no_order_is_refused():
    with pytest.raises(InvalidSearch, match="must be finite"):
        Standings({1: math.nan})
    with pytest.raises(InvalidSearch, match="trial 7 was not scored at this rung"):
        Standings({1: 0.5}).rank_of(7)
