"""Successive halving: go on iff among the best max(1, ⌊n / reduction⌋) of n at the rung.

A trial is decided on for good when it arrives, and a tie with the last one kept is kept.

Reference:
    Li et al. (2018), arXiv:1810.05934 (ASHA), Algorithm 2, without its later promotions.
"""

from metaopt.search.pruning.rule import Decision, Options, PruningRule, Rung, stop_if


def decide(rung: Rung, trial_number: int) -> Decision:
    """Stop what ranks below the best of all that came."""
    last_kept = max(1, len(rung.standings) // rung.options.reduction) - 1
    return stop_if(rung.standings.is_behind(trial_number, last_kept))


def kept_share(options: Options) -> float:
    """One of η."""
    return 1 / options.reduction


KIND = PruningRule("successive_halving", decide, kept_share, reads=("reduction",))
