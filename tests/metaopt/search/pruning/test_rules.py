"""Pruning decisions."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metaopt.errors import InvalidSearch
from metaopt.search.pruning.rules import hyperband_bracket, kept_share, should_prune


def decide(kind, score, peers, *, maximize=False, reduction=3, startup_trials=4, percentile=25.0):
    return should_prune(
        kind,
        score=score,
        peers=peers,
        maximize=maximize,
        reduction=reduction,
        startup_trials=startup_trials,
        percentile=percentile,
    )


def test_none_never_prunes():
    assert not decide("none", 9.0, [1.0] * 20 + [9.0])


def test_median_prunes_the_worse_half_once_enough_trials_have_come():
    peers = [1.0, 2.0, 3.0, 4.0, 5.0]
    assert [decide("median", score, peers) for score in peers] == [False] * 3 + [True] * 2
    assert not decide("median", 4.0, peers[:4])  # four trials: still start-up


def test_median_prunes_low_scores_where_more_is_better():
    peers = [0.1, 0.2, 0.3, 0.4, 0.5]
    kept = [s for s in peers if not decide("median", s, peers, maximize=True)]
    assert kept == [0.3, 0.4, 0.5]


def test_halving_lets_the_first_trial_pass_and_then_the_best_of_each_reduction():
    assert not decide("successive_halving", 5.0, [5.0])
    assert decide("successive_halving", 5.0, [5.0, 1.0])
    peers = [float(n) for n in range(9)]
    kept = [s for s in peers if not decide("successive_halving", s, peers)]
    assert kept == [0.0, 1.0, 2.0]


def test_halving_keeps_a_tie_with_the_last_one_kept():
    assert not decide("successive_halving", 1.0, [1.0, 1.0, 1.0, 7.0])


@given(
    scores=st.lists(st.floats(0, 1e6), min_size=1, max_size=30),
    reduction=st.integers(2, 5),
    maximize=st.booleans(),
)
def test_halving_keeps_at_least_its_share_and_the_best_and_mirrors_under_sign(
    scores, reduction, maximize
):
    def pruned(score, peers, maximize):
        return decide("successive_halving", score, peers, maximize=maximize, reduction=reduction)

    kept = [s for s in scores if not pruned(s, scores, maximize)]
    assert len(kept) >= max(1, len(scores) // reduction)
    assert (max(scores) if maximize else min(scores)) in kept
    flipped = [-s for s in scores]
    assert kept == [-s for s in flipped if not pruned(s, flipped, not maximize)]


def test_percentile_keeps_the_best_share_once_enough_trials_have_come():
    peers = [float(n) for n in range(9)]
    kept = [s for s in peers if not decide("percentile", s, peers, percentile=25.0)]
    assert kept == [0.0, 1.0, 2.0]  # the quantile lies at 2.0 itself
    assert [s for s in peers if not decide("percentile", s, peers, maximize=True)] == [6, 7, 8]
    assert not decide("percentile", 8.0, peers, startup_trials=9)


@given(scores=st.lists(st.floats(0, 1e6), min_size=1, max_size=30), maximize=st.booleans())
def test_percentile_stops_what_is_worse_than_the_quantile_and_at_50_is_median(scores, maximize):
    # Optuna's PercentilePruner takes numpy's percentile, mirrored where more is better.
    quarter = float(np.percentile(scores, 75.0 if maximize else 25.0))
    for score in scores:
        median = decide("median", score, scores, maximize=maximize)
        assert decide("percentile", score, scores, maximize=maximize, percentile=50.0) == median
        if abs(score - quarter) > 1e-9 * max(1.0, quarter):
            pruned = decide("percentile", score, scores, maximize=maximize, startup_trials=0)
            assert pruned == (score < quarter if maximize else score > quarter)


def test_the_brackets_of_hyperband_have_its_shares_and_depend_on_the_number_alone():
    numbers = range(4000)
    brackets = [hyperband_bracket(n, rungs=2, reduction=3) for n in numbers]
    assert brackets == [hyperband_bracket(n, rungs=2, reduction=3) for n in numbers]
    shares = [brackets.count(s) / 4000 for s in range(3)]
    assert shares == pytest.approx([9 / 17, 5 / 17, 3 / 17], abs=0.03)
    assert {hyperband_bracket(n, rungs=0, reduction=3) for n in numbers} == {0}


def test_hyperband_halves_among_the_scores_of_the_bracket():
    peers = [float(n) for n in range(9)]
    assert [s for s in peers if not decide("hyperband", s, peers)] == [0.0, 1.0, 2.0]


def test_about_how_many_go_on_from_a_rung():
    assert kept_share("none", 3) == 1.0
    assert kept_share("median", 3) == 0.5
    assert kept_share("percentile", 3, 20.0) == 0.2
    assert kept_share("successive_halving", 4) == kept_share("hyperband", 4) == 0.25


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"kind": "wilcoxon"}, "pruning must be one of none, median, percentile, successive_h"),
        ({"percentile": 100.0}, "percentile must be between 0 and 100, got 100"),
        ({"reduction": 1}, "reduction must be >= 2, got 1"),
        ({"peers": [1.0, math.nan]}, "scores of a rung must be finite"),
        ({"score": 2.0}, "peers must include the trial's own score 2.0"),
    ],
)
def test_a_bad_call_is_refused_with_the_rule_it_broke(arguments, message):
    given_arguments = {"kind": "median", "score": 1.0, "peers": [1.0], **arguments}
    with pytest.raises(InvalidSearch, match=message):
        decide(**given_arguments)
