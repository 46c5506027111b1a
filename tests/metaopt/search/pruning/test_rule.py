"""Pruning: what each rule decides."""

import math
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metaopt.errors import InvalidSearch
from metaopt.search.pruning.hyperband import hyperband_bracket
from metaopt.search.pruning.registry import PRUNING_RULES
from metaopt.search.pruning.rule import Decision, Options, Rung
from metaopt.search.pruning.standings import Standings


def decide(kind, loss, peers, *, index=0, **options):
    """Whether the first trial with that loss stops."""
    rung = Rung(index, 1, Standings(dict(enumerate(peers))), options=Options(**options))
    number = peers.index(loss) if loss in peers else -1
    return PRUNING_RULES.get(kind).decide(rung, number) == Decision.STOP


def kept_share(kind, reduction, percentile=25.0):
    return PRUNING_RULES.get(kind).kept_share(Options(reduction=reduction, percentile=percentile))


def test_none_never_prunes():
    assert not decide("none", 9.0, [1.0] * 20 + [9.0])


def test_median_prunes_the_worse_half_once_enough_trials_have_come():
    peers = [1.0, 2.0, 3.0, 4.0, 5.0]
    assert [decide("median", score, peers) for score in peers] == [False] * 3 + [True] * 2
    assert not decide("median", 4.0, peers[:4])  # four trials: still start-up


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
)
def test_halving_keeps_at_least_its_share_and_the_best(scores, reduction):
    kept = [s for s in scores if not decide("successive_halving", s, scores, reduction=reduction)]
    assert len(kept) >= max(1, len(scores) // reduction)
    assert min(scores) in kept


def test_percentile_keeps_the_best_share_once_enough_trials_have_come():
    peers = [float(n) for n in range(9)]
    kept = [s for s in peers if not decide("percentile", s, peers, percentile=25.0)]
    assert kept == [0.0, 1.0, 2.0]  # the quantile lies at 2.0 itself
    assert not decide("percentile", 8.0, peers, startup_trials=9)


@given(scores=st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=30))
def test_percentile_stops_what_is_worse_than_the_quantile(scores):
    quarter = float(np.percentile(scores, 25.0))  # as Optuna's PercentilePruner
    for score in scores:
        if abs(score - quarter) > 1e-9 * max(1.0, abs(quarter)):
            assert decide("percentile", score, scores, startup_trials=0) == (score > quarter)


@given(scores=st.lists(st.integers(-1000, 1000), min_size=1, max_size=30))
def test_percentile_at_50_is_median(scores):
    for score in scores:
        median = decide("median", score, scores)
        assert decide("percentile", score, scores, percentile=50.0) == median


@pytest.mark.parametrize(
    ("count", "best"), [(1, set()), (2, set()), (3, {2}), (5, {4}), (6, {4, 5})]
)
def test_asha_promotes_the_best_third_of_those_that_came(count, best):
    rung = Rung(0, 2, Standings({number: float(-number) for number in range(count)}))
    asha = PRUNING_RULES.get("asha")
    assert asha.promotes(count, rung.options) == len(best)
    goes_on = {n for n in range(count) if asha.decide(rung, n) == Decision.CONTINUE}
    assert goes_on == best and asha.pauses


@given(st.lists(st.integers(0, 5), min_size=1, max_size=20), st.integers(2, 5))
def test_asha_decides_as_it_promotes_also_among_equals(losses, reduction):
    options, standings = Options(reduction=reduction), Standings(dict(enumerate(losses)))
    rung = Rung(0, 2, standings, options=options)
    asha = PRUNING_RULES.get("asha")
    goes_on = {n for n in range(len(losses)) if asha.decide(rung, n) == Decision.CONTINUE}
    assert goes_on == set(standings.numbers(0, asha.promotes(len(losses), options)))


def test_every_rule_reads_options_that_there_are():
    for rule in PRUNING_RULES.kinds():
        assert set(rule.reads) <= set(Options.__dataclass_fields__)


def test_only_no_pruning_has_no_rungs_of_its_own():
    without = {rule.name for rule in PRUNING_RULES.kinds() if not rule.default_rungs(900, 3)}
    assert without == {"none"}
    assert PRUNING_RULES.get("median").default_rungs(900, 3) == [33, 100, 300]


def test_naming_the_rules_loads_neither_optuna_nor_torch():
    program = (
        "import sys; from metaopt.search.pruning.registry import PRUNING_RULES; "
        "PRUNING_RULES.names(); assert not {'torch', 'optuna', 'scipy'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_the_brackets_of_hyperband_have_its_shares_and_depend_on_the_number_alone():
    numbers = range(4000)
    brackets = [hyperband_bracket(n, rungs=2, reduction=3) for n in numbers]
    assert brackets == [hyperband_bracket(n, rungs=2, reduction=3) for n in numbers]
    shares = [brackets.count(s) / 4000 for s in range(3)]
    assert shares == pytest.approx([9 / 17, 5 / 17, 3 / 17], abs=0.03)
    assert {hyperband_bracket(n, rungs=0, reduction=3) for n in numbers} == {0}


def test_hyperband_halves_among_the_scores_of_the_bracket():
    numbers = [n for n in range(40) if hyperband_bracket(n, rungs=1, reduction=3) == 0][:9]
    rung = Rung(0, 1, Standings({number: float(i) for i, number in enumerate(numbers)}))
    hyperband = PRUNING_RULES.get("hyperband")
    kept = [n for n in numbers if hyperband.decide(rung, n) == Decision.CONTINUE]
    assert kept == numbers[:3]


def test_about_how_many_go_on_from_a_rung():
    assert kept_share("none", 3) == 1.0
    assert kept_share("median", 3) == 0.5
    assert kept_share("percentile", 3, 20.0) == 0.2
    assert kept_share("successive_halving", 4) == kept_share("hyperband", 4) == 0.25


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"kind": "wilcoxon"}, "pruning.kind must be one of asha, hyperband, median, none, pe"),
        ({"percentile": 100.0}, "percentile must be between 0 and 100, got 100"),
        ({"reduction": 1}, "reduction must be >= 2, got 1"),
        ({"peers": [1.0, math.nan]}, "scores of a rung must be finite"),
        ({"loss": 2.0}, "trial -1 was not scored at this rung"),
    ],
)
def test_a_bad_call_is_refused_with_the_rule_it_broke(arguments, message):
    given_arguments = {"kind": "median", "loss": 1.0, "peers": [1.0] * 9, **arguments}
    with pytest.raises(InvalidSearch, match=message):
        decide(**given_arguments)
