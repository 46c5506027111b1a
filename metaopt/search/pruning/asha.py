"""ASHA: the best ⌊n / reduction⌋ of n go on from a rung; the others wait there until n grows.

    scored at a rung ──▶ among the best ⌊n / reduction⌋ of n there?  goes on at once
                              └─ no ─▶ pauses ──▶ promoted when n grows, or never

Reference:
    Li et al. (2018), arXiv:1810.05934, Algorithm 2 (`get_job`).
"""

from metaopt.search.pruning.rule import Decision, Options, PruningRule, Rung
from metaopt.search.pruning.successive_halving import kept_share


def decide(rung: Rung, trial_number: int) -> Decision:
    """Pause what is not promoted yet; of equals the lower numbers go on."""
    promoted = promotes(len(rung.standings), rung.options)
    goes_on = rung.standings.place_of(trial_number) < promoted
    return Decision.CONTINUE if goes_on else Decision.PAUSE


def promotes(count: int, options: Options) -> int:
    """⌊n / reduction⌋."""
    return count // options.reduction


KIND = PruningRule("asha", decide, kept_share, reads=("reduction",), promotes=promotes)
