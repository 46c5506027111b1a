"""Score against cost: whom among those judged nobody beats at no higher cost; pure functions.

With x the sealed loss and c the cost of an adaptation, a point is on the front if no other has
x' ≤ x and c' ≤ c, one of them less.  Below the front it is *beaten* if another with c' ≤ c is
better beyond noise: the interval of x' − x, paired by task, lies below 0 (`estimates.difference`).
Otherwise that is open.  A cost counts as it was measured, without an interval.
"""

from collections.abc import Sequence
from typing import NamedTuple

from metaopt.goals import pareto_front
from service.judgement import estimates
from service.judgement.estimates import Contender
from service.wire.views.cost_front import CostFront, CostPoint, CostStanding
from service.wire.views.result import SealedScore


class Priced(NamedTuple):
    """A configuration that was judged: what it is, and its fresh trainings."""

    name: str
    trial_number: int | None
    branch: str
    algorithm: str
    fresh: Contender
    sealed: SealedScore | None


def cost_front(cost: str, judged: Sequence[Priced]) -> CostFront | None:
    """The points of those that have a sealed score and the cost, the cheapest first.

    None where all of them cost the same: there is nothing to choose.
    """
    known = [p for p in judged if p.sealed is not None and cost in p.fresh.metrics]
    costs = [priced.fresh.metrics[cost] for priced in known]
    if len(set(costs)) < 2:
        return None
    front = set(pareto_front({i: (p.fresh.loss, costs[i]) for i, p in enumerate(known)}))
    points = [
        _point(priced, costs[i], "front" if i in front else _standing(i, known, costs))
        for i, priced in enumerate(known)
    ]
    return CostFront(metric=cost, points=sorted(points, key=lambda point: point.cost))


def _standing(index: int, known: Sequence[Priced], costs: Sequence[float]) -> CostStanding:
    """That of a point which is not on the front."""
    for other, cost in zip(known, costs, strict=True):
        if other is known[index] or cost > costs[index]:
            continue
        gap = estimates.difference(other.fresh, known[index].fresh)
        if gap is not None and gap.high < 0.0:
            return "beaten"
    return "open"


def _point(priced: Priced, cost: float, standing: CostStanding) -> CostPoint:
    assert priced.sealed is not None
    return CostPoint(
        name=priced.name,
        trial_number=priced.trial_number,
        branch=priced.branch,
        algorithm=priced.algorithm,
        cost=cost,
        score=priced.sealed.score,
        low=priced.sealed.low,
        high=priced.sealed.high,
        standing=standing,
    )
