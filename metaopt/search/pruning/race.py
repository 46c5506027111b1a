"""Racing: a trial stops when paired losses say that it is worse than the best so far.

All trials of a study are scored on the same tasks, so two trials at one rung have paired losses.
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

from metaopt.errors import InvalidSearch
from metaopt.search.pruning.rule import Decision, Need, Options, PruningRule, Rung, stop_if


def decide(rung: Rung, trial_number: int) -> Decision:
    """Stop what is worse than the leader; without one, as before a feasible trial, nothing."""
    losses, leader, options = rung.task_losses[trial_number], rung.leader, rung.options
    if leader is None or losses == leader.losses:
        return Decision.CONTINUE
    level = level_of_a_look(options.alpha, rungs=rung.count, peers=len(rung.ranking))
    return stop_if(is_worse(losses, leader.losses, delta=options.delta, level=level))


def level_of_a_look(alpha: float, *, rungs: int, peers: int) -> float:
    """Level of one test.

    Args:
        alpha: Chance of ever stopping the truly best trial, in (0, 1).
        rungs: Rungs at which a trial is tested.
        peers: Trials it is compared with the leader of.
    """
    return alpha / (max(1, rungs) * max(1, peers))


def is_worse(
    losses: Sequence[float], leader: Sequence[float], *, delta: float, level: float
) -> bool:
    """Whether `losses` are higher than the leader's by more than `delta`.

    Args:
        losses, leader: Finite losses on the same tasks, in the same order.
        delta: Difference that would be tolerated, >= 0, in the unit of the score.
        level: Of this one test.

    Raises:
        InvalidSearch: not the same number of tasks, or fewer than two.
    """
    from scipy.special import stdtrit  # the wire names this rule without it

    if len(losses) != len(leader) or len(losses) < 2:
        raise InvalidSearch(
            "a race needs at least two tasks, the same for both trials, "
            f"got {len(losses)} and {len(leader)}"
        )
    differences = [ours - theirs for ours, theirs in zip(losses, leader, strict=True)]
    excess = statistics.fmean(differences) - delta
    error = statistics.stdev(differences) / math.sqrt(len(differences))
    if error == 0.0:
        return excess > 0.0
    return bool(excess / error > stdtrit(len(differences) - 1, 1 - level))


def kept_share(options: Options) -> float:
    """Half: it depends on the noise, which nobody knows before."""
    return 0.5


KIND = PruningRule(
    "race",
    decide,
    kept_share,
    needs=frozenset({Need.RANKING, Need.TASK_LOSSES, Need.LEADER}),
    reads=("delta", "alpha"),
)
