"""TPE: which trials are good, which are looked at, and that an ask does not cost more and more."""

import pytest

from metaopt.goals import Goals
from metaopt.search.samplers.history import end_of
from metaopt.search.samplers.kind import Problem
from metaopt.search.samplers.tpe import MOST_BAD, MOST_GOOD, Tpe, good_trials, make, rank_of
from metaopt.search.space import Choice, Float

SPACE = {"inner_lr": Float(1e-3, 1.0, log=True), "order": Choice(("first", "second"))}
BOUNDED = Goals(maximize=False, bounds={"diverged_share": 0.5})


def problem():
    return Problem(SPACE, Goals(maximize=False), 7, "maml", 10, 5)


def ended(outcome, loss=None, rung=None, **metrics):
    return end_of(0, outcome, loss, rung, None, metrics)


def test_trials_rank_by_how_far_they_came_and_then_by_their_losses():
    ends = [
        ended("completed", 1.0),
        ended("completed", 5.0),
        ended("pruned", 0.5, 60),
        ended("paused", 0.7, 60),
        ended("pruned", 0.1, 20),
        ended("diverged"),
    ]
    ranks = [rank_of(0, end, Goals(maximize=False)) for end in ends]
    assert ranks == sorted(ranks) and len(set(ranks)) == len(ranks)


def test_a_trial_that_breaks_a_constraint_is_behind_all_that_keep_them():
    ends = [
        ended("completed", 9.0, diverged_share=0.1),
        ended("pruned", 9.0, 20, diverged_share=0.5),
        ended("completed", 0.1, diverged_share=0.6),
        ended("completed", 0.1, diverged_share=0.9),
        ended("diverged"),
    ]
    ranks = [rank_of(0, end, BOUNDED) for end in ends]
    assert ranks == sorted(ranks)


@pytest.mark.parametrize(("trials", "good"), [(0, 0), (1, 1), (10, 1), (11, 2), (400, 25)])
def test_a_tenth_is_good_and_no_more_than_twenty_five(trials, good):
    assert good_trials(trials) == good


def test_the_good_ones_are_kept_however_old_and_of_the_others_the_newest():
    search = make(problem())
    assert isinstance(search, Tpe)
    asked = MOST_BAD + 300
    for index in range(asked):
        search.begin(index, {"inner_lr": 0.01, "order": "first"})
        search.tell(index, ended("completed", float(index)))
    good, bad = search._split()
    assert good == list(range(MOST_GOOD))
    assert list(bad) == list(range(asked - MOST_BAD, asked))


def test_a_trial_that_says_nothing_is_not_looked_at():
    search = make(problem())
    for index, outcome in enumerate(["completed", "failed", "cancelled", "diverged"]):
        search.begin(index, {"inner_lr": 0.01, "order": "first"})
        search.tell(index, ended(outcome, 1.0 if outcome == "completed" else None))
    search.begin(4, {"inner_lr": 0.01, "order": "first"})  # it runs: a bad one, until it has ended
    good, bad = search._split()
    assert (good, list(bad)) == ([0], [3, 4])


def test_of_a_paused_trial_the_latest_end_counts():
    search = make(problem())
    for index in range(2):
        search.begin(index, {"inner_lr": 0.01, "order": "first"})
        search.tell(index, ended("paused", 1.0 + index, 20))
    assert search._split()[0] == [0]
    search.tell(1, ended("completed", 7.0))
    assert search._split()[0] == [1]
