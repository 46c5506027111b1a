"""Shares: whole numbers that add up, as nearly in proportion to weights as their bounds allow."""

from collections.abc import Sequence
from fractions import Fraction


def share_out(
    total: int,
    weights: Sequence[float],
    *,
    least: Sequence[int],
    most: Sequence[int | None] | None = None,
) -> list[int]:
    """How many of `total` each gets: bᵢ ≈ λ wᵢ, kept within its bounds, Σ bᵢ = `total`.

    λ is the same for all.  What rounding leaves over goes to the largest fractions, the earliest
    of equals first.  The arithmetic is exact, so the answer does not depend on the machine.

    Args:
        total: >= 0.
        weights: Each > 0.
        least: What each has in any case.  Where these add up to more than `total`, they are the
            answer.
        most: What each can use (None is anything).  Where these add up to less than `total`,
            they are the answer.

    Example:
        >>> share_out(10, [1, 1, 1], least=[0, 6, 0])
        [2, 6, 2]
    """
    caps = [None] * len(weights) if most is None else list(most)
    tops = [total if c is None else max(low, c) for c, low in zip(caps, least, strict=True)]
    if sum(least) >= total:
        return list(least)
    if sum(tops) <= total:
        return tops
    exact = _within(total, [Fraction(weight) for weight in weights], least, tops)
    whole = [int(share) for share in exact]
    over = total - sum(whole)
    by_fraction = sorted(range(len(whole)), key=lambda i: (whole[i] - exact[i], i))
    for index in by_fraction[:over]:
        whole[index] += 1
    return whole


def _within(
    total: int, weights: Sequence[Fraction], least: Sequence[int], most: Sequence[int]
) -> list[Fraction]:
    """The exact shares; `total` lies between the sums of the bounds.

    Each turn fixes those outside their bounds on the side that is more wrong, as the flexible
    lengths of CSS are resolved: those stay outside whatever becomes of the rest.
    """
    fixed: dict[int, Fraction] = {}
    while True:
        free = [i for i in range(len(weights)) if i not in fixed]
        left = total - sum(fixed.values(), Fraction(0))
        weight = sum((weights[i] for i in free), Fraction(0))
        shares = {i: left * weights[i] / weight for i in free}
        under = {i: least[i] - share for i, share in shares.items() if share < least[i]}
        above = {i: share - most[i] for i, share in shares.items() if share > most[i]}
        balance = sum(under.values(), Fraction(0)) - sum(above.values(), Fraction(0))
        if not under and not above:
            shares.update(fixed)
            return [shares[i] for i in range(len(weights))]
        if balance >= 0:
            fixed.update((i, Fraction(least[i])) for i in under)
        if balance <= 0:
            fixed.update((i, Fraction(most[i])) for i in above)
        if len(fixed) == len(weights):
            return [fixed[i] for i in range(len(weights))]
