"""How often a trial's adaptation diverges; no cost to trade scores for, so no objective.

Gates have a rule of their own for it, with the limits of a share.
"""

from metaopt.costs.metric import BankScores, Bound, CostMetric


def _share(scores: BankScores) -> float:
    return scores.diverged_share


KIND = CostMetric(
    "diverged_share",
    doc="share of the bank's tasks on which adaptation diverged",
    bound=Bound(float, ge=0, lt=1),
    of_scores=_share,
    objective=False,
    gate=False,
    order=3,
)
