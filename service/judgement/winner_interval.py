"""The winner's interval: who is named the best by its score was also lucky.

Of k finalists that are truly equal the winner is the luckiest of k, and an even 95 % interval
covers its truth too seldom (92.7 % for three whose noise is independent): it misses on the side
where the truth is worse.  So that side gets the error rate with which the best of k strays, and
the other side the rest, for no winner is named by bad luck,

    worse side 1 − 0.95^(1/k)        better side 0.05 − (1 − 0.95^(1/k))

With k = 3 they are 1.7 % and 3.3 %: the interval is hardly wider, it is shifted.  Together they
are 5 % for whoever wins without luck, and for k equal finalists the worse side alone has 5 %.  In
between it covers 95 to 97 % with up to 5 finalists.  With k = 2 an even interval is exact.

Reference:
    Fuentes, Casella & Wells (2018), "Confidence intervals for the means of the selected
    populations", whose intervals are asymmetric for the same reason; Šidák (1967) for the power.
"""

from collections.abc import Iterable

from metaopt.estimation.intervals import EVEN, ErrorRates
from service.judgement.estimates import Contender, difference

PLAUSIBLE = 1.5  # half widths of the 95 % interval of a difference: about three standard errors


def chosen_among(best: Contender, others: Iterable[Contender]) -> int:
    """Number of finalists that `best` came out on top of, itself included.

    Those count that could as well have won: their difference to it is within 1.5 times its 95 %
    interval.  The wider measure is on purpose: where the winner was lucky the others look worse
    than they are.  A finalist with a broken training ranks below all that have none, whatever
    its score, and one that explodes on sealed tasks has an interval that says nothing.
    """
    return 1 + sum(_could_have_won(other, best) for other in others)


def winners_error_rates(count: int) -> ErrorRates:
    """Error rates of the interval of a winner's loss: the truth is rather above it than below.

    They are those of its difference to a configuration that had no part in the choice, too.

    Args:
        count: Of how many it is the best, itself included.

    Example:
        >>> better, worse = winners_error_rates(3)
        >>> round(better, 3), round(worse, 3)
        (0.033, 0.017)
    """
    if count <= 2:
        return EVEN
    worse = 1 - 0.95 ** (1 / count)
    return ErrorRates(below=0.05 - worse, above=worse)


def _could_have_won(other: Contender, best: Contender) -> bool:
    gap = difference(other, best)
    if gap is None or (best.whole and not other.whole) or (best.adapts and not other.adapts):
        return False
    return abs(gap.value) <= PLAUSIBLE * (gap.value - gap.low)
