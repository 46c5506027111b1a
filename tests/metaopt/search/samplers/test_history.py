"""The history of a branch."""

from metaopt.search.samplers.history import End, common_rung


def ended(*rungs, outcome="pruned"):
    return End(outcome, 1.0, max(rungs), dict.fromkeys(rungs, 1.0))


ENDS = [ended(10), ended(10), ended(10, 30), ended(10, 30), ended(10, 30, 90)]


def test_trials_are_compared_at_the_largest_rung_that_enough_reached():
    assert common_rung(ENDS, 1) == 90
    assert common_rung(ENDS, 2) == 30
    assert common_rung(ENDS, 3) == 30
    assert common_rung(ENDS, 5) == 10


def test_where_no_rung_has_enough_the_one_that_most_reached_counts():
    assert common_rung(ENDS, 6) == 10
    assert common_rung([ended(10), ended(10, 30), ended(10, 30)][1:], 6) == 30


def test_diverged_and_failed_trials_have_no_rung():
    assert common_rung([ended(10, outcome="diverged"), End("failed")], 1) is None
