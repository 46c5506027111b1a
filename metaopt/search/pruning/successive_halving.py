"""Successive halving: go on iff among the best max(1, ⌊n / reduction⌋) of n at the rung.

A trial is decided on for good when it arrives, and a tie with the last one kept is kept.

Reference:
    Li et al. (2018), arXiv:1810.05934 (ASHA), Algorithm 2, without its later promotions.
"""

from collections.abc import Iterable

from metaopt.search.pruning.rule import Decision, Need, Options, PruningRule, Rung, stop_if


def decide(rung: Rung, trial_number: int) -> Decision:
    """Stop what ranks below the best of all that came."""
    worst = worst_kept(rung.ranking.values(), rung.options.reduction)
    return stop_if(rung.loss_of(trial_number) > worst)


def worst_kept(losses: Iterable[float], reduction: int) -> float:
    """The loss of the last of n that goes on: the max(1, ⌊n / reduction⌋)-th."""
    rising = sorted(losses)
    return rising[max(1, len(rising) // reduction) - 1]


def kept_share(options: Options) -> float:
    """One of η."""
    return 1 / options.reduction


KIND = PruningRule(
    "successive_halving",
    decide,
    kept_share,
    needs=frozenset({Need.RANKING}),
    reads=("reduction",),
)
