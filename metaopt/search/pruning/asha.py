"""ASHA: the best ⌊n / reduction⌋ of n go on from a rung; the others wait there until n grows.

    scored at a rung ──▶ among the best ⌊n / reduction⌋ of n there?  goes on at once
                              └─ no ─▶ pauses ──▶ promoted when n grows, or never

Reference:
    Li et al. (2018), arXiv:1810.05934, Algorithm 2 (`get_job`).
"""

from metaopt.search.pruning.rule import Decision, Need, PruningRule, Rung
from metaopt.search.pruning.successive_halving import kept_share


def decide(rung: Rung, trial_number: int) -> Decision:
    """Pause what is not promoted yet."""
    rung.loss_of(trial_number)
    promoted = rung.places[trial_number] < _promotable(rung)
    return Decision.CONTINUE if promoted else Decision.PAUSE


def promote(rung: Rung) -> set[int]:
    """The numbers of the best ⌊n / reduction⌋ of n trials; ties by number."""
    return {number for number, place in rung.places.items() if place < _promotable(rung)}


def _promotable(rung: Rung) -> int:
    return len(rung.ranking) // rung.options.reduction


KIND = PruningRule(
    "asha",
    decide,
    kept_share,
    needs=frozenset({Need.RANKING}),
    reads=("reduction",),
    promote=promote,
)
