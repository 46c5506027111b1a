"""Standings: in which order trials at a rung are, and that arrivals leave those before alone."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metaopt.errors import InvalidSearch
from metaopt.search.pruning.standings import Rank, Standings
from tests.steps import steps_of

LOSSES = st.sampled_from([0.1 * step for step in range(60)])


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


@given(st.lists(LOSSES, max_size=30), st.lists(LOSSES, max_size=20))
def test_with_arrivals_everything_is_as_if_all_had_come_one_by_one(known, came):
    ranks = {number: Rank(0.0, loss) for number, loss in enumerate([*known, *came])}
    before, plain = Standings(), Standings()
    for number, rank in ranks.items():
        plain.add(number, rank)
        if number < len(known):
            before.add(number, rank)
    after = before.with_arrivals([(n, r) for n, r in ranks.items() if n >= len(known)])
    many = len(plain)
    assert len(after) == many and after.numbers(0, many) == plain.numbers(0, many)
    for number in ranks:
        assert after.place_of(number) == plain.place_of(number)
        assert after.rank_of(number) == ranks[number]
        behind = [after.is_behind(number, place) for place in range(many)]
        assert behind == [plain.is_behind(number, place) for place in range(many)]


def test_arrivals_cost_little_more_among_thirty_times_as_many():
    def steps(trials):
        known = Standings({number: float(number % 97) for number in range(trials)})

        def arrive():
            after = known.with_arrivals((trials + i, Rank(0.0, float(i))) for i in range(10))
            assert after.is_behind(trials + 9, 0) and after.place_of(trials) >= 0

        return steps_of(arrive)

    assert steps(6000) < 1.5 * steps(200)


def test_what_has_no_order_is_refused():
    with pytest.raises(InvalidSearch, match="must be finite"):
        Standings({1: math.nan})
    with pytest.raises(InvalidSearch, match="trial 7 was not scored at this rung"):
        Standings({1: 0.5}).rank_of(7)
