"""Hyperband: successive halving among the trials of one bracket, from the bracket's first rung on.

Bracket s judges its trials among themselves from rung s on (counted from 0), so the trials of
bracket 0 may stop first, and those of the last bracket, number S (the rungs below the budget), run
to their end: a score at a low rung that says nothing about the end cannot spoil the whole search.

Reference:
    Li et al. (2017), arXiv:1603.06560, Algorithm 1; drawn by number as in Optuna's HyperbandPruner,
    whose first rungs are η apart as ours should be.
"""

import math

from metaopt.keys import key
from metaopt.search.pruning import successive_halving
from metaopt.search.pruning.rule import Decision, Options, PruningRule, Rung


def decide(rung: Rung, trial_number: int) -> Decision:
    """Stop what ranks below the best of its bracket, which is its pool."""
    if rung.index < bracket(trial_number, rung.count, rung.options):
        return Decision.CONTINUE
    return successive_halving.decide(rung, trial_number)


def bracket(trial_number: int, rungs: int, options: Options) -> int:
    """The bracket of a trial."""
    return hyperband_bracket(trial_number, rungs=rungs, reduction=options.reduction)


def hyperband_bracket(trial_number: int, *, rungs: int, reduction: int) -> int:
    """The bracket of a trial, drawn by its number with Hyperband's shares.

    Bracket s gets trials in proportion to ⌈(S+1) η^(S−s) / (S−s+1)⌉, where S = `rungs`.

    Args:
        trial_number: >= 0.
        rungs: Rungs below the budget; without any there is one bracket that never prunes.
        reduction: η >= 2.

    Returns:
        0 <= s <= `rungs`.
    """
    shares = [
        math.ceil((rungs + 1) * reduction ** (rungs - s) / (rungs - s + 1))
        for s in range(rungs + 1)
    ]
    drawn = key("hyperband", trial_number) % sum(shares)
    for bracket, share in enumerate(shares):
        if drawn < share:
            return bracket
        drawn -= share
    raise AssertionError("the shares sum up to more than what is drawn")


KIND = PruningRule(
    "hyperband", decide, successive_halving.kept_share, reads=("reduction",), pool=bracket
)
