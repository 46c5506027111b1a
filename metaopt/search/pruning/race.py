"""Racing: a trial stops when paired scores say that it is worse than the best so far.

All trials of a study are scored on the same tasks, so two trials at one rung have paired scores.
With d_t the difference of their losses on task t, a trial stops if the one-sided paired t-test at
level a says E[d] > δ:

    (mean(d) − δ) / (sd(d) / √T)  >  t_{1−a}(T − 1)

It is tested at each rung, and against whichever of the trials that came before leads there, chosen
because it looked good.  By the union bound the chance that the truly best trial is ever stopped is
at most α if each test has level

    a = α / (rungs × trials that it may lose against)

the trials being counted as they come: all that have been scored at the rung, the leader among them.
Looking more often, or at another time, is allowed for by nothing else than this count; it is
conservative, since the tests depend on each other.

Reference:
    Maron & Moore (1994), "Hoeffding Races"; Birattari et al. (2002), "A Racing Algorithm for
    Configuring Metaheuristics" (paired tests on common instances); Bonferroni for the looks.
"""

import math
import statistics
from collections.abc import Sequence

from scipy.special import stdtrit

from metaopt.errors import InvalidSearch


def level_of_a_look(alpha: float, *, rungs: int, peers: int) -> float:
    """Return the level of one test.

    Args:
        alpha: Chance of ever stopping the truly best trial, in (0, 1).
        rungs: Rungs at which a trial is tested.
        peers: Trials it is compared with the leader of.
    """
    if not 0 < alpha < 1:
        raise InvalidSearch(f"alpha must be between 0 and 1, got {alpha:g}")
    return alpha / (max(1, rungs) * max(1, peers))


def is_worse(
    scores: Sequence[float],
    leader: Sequence[float],
    *,
    maximize: bool,
    delta: float,
    level: float,
) -> bool:
    """Return whether `scores` are worse than the leader's by more than `delta`.

    Args:
        scores, leader: Finite scores on the same tasks, in the same order.
        maximize: Whether a higher score is better.
        delta: Difference that would be tolerated, >= 0, in the unit of the score.
        level: Of this one test.

    Raises:
        InvalidSearch: not the same number of tasks, or fewer than two.
    """
    if len(scores) != len(leader) or len(scores) < 2:
        raise InvalidSearch(
            "a race needs at least two tasks, the same for both trials, "
            f"got {len(scores)} and {len(leader)}"
        )
    sign = -1.0 if maximize else 1.0
    differences = [sign * (ours - theirs) for ours, theirs in zip(scores, leader, strict=True)]
    excess = statistics.fmean(differences) - delta
    error = statistics.stdev(differences) / math.sqrt(len(differences))
    if error == 0.0:
        return excess > 0.0
    return bool(excess / error > stdtrit(len(differences) - 1, 1 - level))
