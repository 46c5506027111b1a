"""Allocation: how the trials of a budget are divided between branches, by their losses so far.

Every branch has its floor.  The rest goes, evenly, to the branches that may still win.  With
y_k(t) the least loss of branch k after t trials and T_k what it could get yet,

    ω_k = (y_k(t) - y_k(⌊t/2⌋)) / (t - ⌊t/2⌋)        slope of its latter half, not above 0
    u_k = y_k(t) + ω_k T_k                            what it may come to, at best

branch k is out of the running once another's best is below that by more than noise explains:

    u_k - y_j > z √(s_j² + s_k²)                      s: standard error of the least loss

The best of a search falls ever more slowly, so that a straight line from its latter half lies
below its future.  Nothing is remembered: the answer is a function of the trials alone, and a
branch that is out comes back if its last trials, or a fairer comparison, say so.

Equal cost.  Where trials of branches differ in cost, c_k on the mean, as many trials of each are
not the same chance.  In the currency of cost what is shared is the same amount for each branch, so
trials in proportion to 1 / c_k.  With n branches the r trials that are left come to n r / Σ 1/c_j,
which is C, if all have as much of it.  With Y_k(x) the least loss within x of cost spent, and X_k
all of it,

    ω_k = (Y_k(X_k) - Y_k(X_k / 2)) / (X_k / 2),   u_k = Y_k(X_k) + ω_k C_k

where C_k is what the branch could have of its floor and of C.  It is out once the other's best, of
no more cost than X_k + C_k, is below u_k beyond noise.

Reference: Li, Jiang, Gao, Shao, Zhang & Cui (2020), "Efficient Automatic CASH via Rising Bandits",
AAAI, arXiv:2012.04371.  There the slope is taken over the last C = 7 trials.  Half of the trials
is the same at t = 14; later, when a new best is rare, 7 trials without one say nothing.  The noise
term and the floor are ours.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from metaopt.search.curve import LossCurve
from metaopt.search.shares import share_out

FEWEST = 4  # trials before a curve says anything
ERRORS = 2.0  # z: standard errors of the difference between two least losses


@dataclass(frozen=True)
class Claim:
    """What a branch has had, and what it may ask for.

    Args:
        asked: Trials that it has asked for.
        ended: Those of them that have ended.
        curve: Losses of those that can be compared, without one where a trial ended without.
        error: Standard error of the best of them.
        floor: Trials that it gets in any case.
        startup: Ended trials before it is compared.
        limit: Most trials that it can ask for at all, if there is a limit.
        cost: Of one of its trials, on the mean; None counts trials instead.
        closed: Whether it asks for no more: nobody waits for its start-up trials.
    """

    asked: int
    ended: int
    curve: LossCurve
    error: float
    floor: int
    startup: int
    limit: int | None = None
    closed: bool = False
    cost: float | None = None


def allot(total: int, claims: Sequence[Claim]) -> list[int]:
    """How many of `total` trials each branch has, those included that it has asked for.

    They add up to `total`, unless no branch can use more, or more have been asked for already.
    No branch has less than it asked for; none has less than its floor where that can be had.
    """
    promised = _promised(total, claims)
    running = in_the_running(total, claims)
    limits = [None if claim.limit is None else max(claim.limit, 0) for claim in claims]
    rest = total - sum(n for n, may in zip(promised, running, strict=True) if not may)
    chosen = [i for i, may in enumerate(running) if may]
    budgets = list(promised)
    weights = [_weight(claims[i]) for i in chosen]
    shares = share_out(
        rest, weights, least=[promised[i] for i in chosen], most=[limits[i] for i in chosen]
    )
    for index, share in zip(chosen, shares, strict=True):
        budgets[index] = share
    # What those in the running cannot use, as when their grids are exhausted, is not wasted.
    weights = [_weight(claim) for claim in claims]
    return (
        budgets if sum(budgets) >= total else share_out(total, weights, least=budgets, most=limits)
    )


def in_the_running(total: int, claims: Sequence[Claim]) -> list[bool]:
    """Which branches may still win; all of them until each has ended its start-up trials."""
    if any(c.ended < max(FEWEST, c.startup) for c in claims if not c.closed):
        return [True] * len(claims)
    promised = _promised(total, claims)
    spare = max(0, total - sum(promised))
    pot = spare * len(claims) / sum(_weight(claim) for claim in claims)
    left = [
        had - claim.asked + (spare if claim.cost is None else pot / claim.cost)
        for claim, had in zip(claims, promised, strict=True)
    ]
    return [
        not any(_beats(other, claim, more) for other in claims if other is not claim)
        for claim, more in zip(claims, left, strict=True)
    ]


def reach(curve: LossCurve, left: float) -> float:
    """u, the loss to which a branch may come in `left` more trials.

    Minus infinity before anything was tried or if only later trials have a loss; infinity if none
    has.
    """
    half = len(curve) // 2
    best, before = curve.least(), curve.least_of_first(half)
    if best is None:
        return math.inf if len(curve) else -math.inf
    if before is None:
        return -math.inf
    return best + (best - before) / (len(curve) - half) * left


def reach_of_cost(curve: LossCurve, left: float) -> float:
    """u, the loss to which a branch may come for so much more cost; as `reach`."""
    best, half = curve.least(), curve.cost / 2
    before = curve.least_within(half)
    if best is None:
        return math.inf if len(curve) else -math.inf
    if before is None or half <= 0:
        return -math.inf
    return best + (best - before) / half * left


def _beats(other: Claim, claim: Claim, left: float) -> bool:
    """Whether a claim with so many more trials comes to no loss as low as another has."""
    if claim.cost is None:
        bound, best = reach(claim.curve, left), other.curve.least()
    else:
        more = left * claim.cost
        bound = reach_of_cost(claim.curve, more)
        best = other.curve.least_within(claim.curve.cost + more)
    return best is not None and bound - best > ERRORS * math.hypot(other.error, claim.error)


def _promised(total: int, claims: Sequence[Claim]) -> list[int]:
    """What each branch has in any case: what it asked for, and its floor if that fits."""
    asked = [claim.asked for claim in claims]
    floors = [
        claim.floor if claim.limit is None else min(claim.floor, claim.limit) for claim in claims
    ]
    most = [max(pair) for pair in zip(asked, floors, strict=True)]
    return most if sum(most) <= total else _even(total, asked, most)


def _weight(claim: Claim) -> float:
    return 1.0 if claim.cost is None else 1.0 / claim.cost


def _even(total: int, least: Sequence[int], most: Sequence[int | None]) -> list[int]:
    return share_out(total, [1.0] * len(least), least=least, most=most)
