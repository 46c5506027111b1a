"""Racing: a trial stops when paired losses say that it is worse than the best so far.

All trials of a study are scored on the same tasks, so two trials at one rung have paired losses.
With d_t = x_t − y_t the difference of a trial's and the leader's loss on task t of T, the trial
stops if a one-sided paired t-test at level a says E[d] > δ:

    mean(d) − δ  >  t_{1−a}(T − 1) · s / √T
    s² = max(var(d), mean over the contenders c of var(x − c))

The leader was chosen because it looked good: of trials with heavy tails it is the one whose tail
the bank happened not to show, and var(d) is as lucky as mean(d).  So s² is at least the average
among the *contenders*, the trials of the rung that are ahead of this one, or were without their
worst tasks (`rule.contenders`).  Where contenders have exploded on a task, it is large and little
is stopped.  Nobody is stopped before `startup_trials` have come: for a tail that nobody has shown
yet, nobody can allow.

It is tested at each rung, against whichever of the trials that came before leads there.  By the
union bound the chance that the truly best trial is ever stopped is at most α if each test has level

    a = α / (rungs × trials that it may lose against)

the trials being counted as they come: all that have been scored at the rung, the leader among them.
The t-test itself is approximate: `benchmarks/race.py` simulates races whose truth is known, with
tails from normal to explosions, and docs/search.md names where more than α is stopped.

What is compared is what the study ranks by, `evaluation.statistic`: each loss is what it
contributes to that (`metaopt.estimation.statistics.contributions`).

Reference:
    Maron & Moore (1994), "Hoeffding Races"; Birattari et al. (2002), "A Racing Algorithm for
    Configuring Metaheuristics" (paired tests on common instances); Bonferroni for the looks.
"""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from metaopt.errors import InvalidSearch
from metaopt.search.pruning.rule import Decision, Need, Options, PruningRule, Rung, stop_if

if TYPE_CHECKING:
    import numpy as np


def decide(rung: Rung, trial_number: int) -> Decision:
    """Stop what is worse than the leader; without one, as before a feasible trial, nothing."""
    leader, options, peers = rung.leader, rung.options, len(rung.standings)
    if leader is None or leader.trial_number == trial_number or peers <= options.startup_trials:
        return Decision.CONTINUE
    from metaopt.estimation.statistics import contributions  # the wire names this rule without it

    losses = contributions(rung.task_losses[trial_number], rung.statistic)
    return stop_if(
        is_worse(
            losses,
            contributions(leader.losses, rung.statistic),
            delta=options.delta,
            level=level_of_a_look(options.alpha, rungs=rung.count, peers=peers),
            least_variance=contenders_variance(rung, losses),
        )
    )


def level_of_a_look(alpha: float, *, rungs: int, peers: int) -> float:
    """Level of one test.

    Args:
        alpha: Chance of ever stopping the truly best trial, in (0, 1).
        rungs: Rungs at which a trial is tested.
        peers: Trials it is compared with the leader of.
    """
    return alpha / (max(1, rungs) * max(1, peers))


def contenders_variance(rung: Rung, losses: "np.ndarray") -> float:
    """Variance of the differences from a contender, the mean over those ahead; 0 without any.

    Args:
        losses: Contributions of a trial to what it is ranked by, by task.
    """
    from metaopt.estimation.statistics import contributions

    loss = losses.mean()
    ahead = [c for c in rung.contenders if min(c.loss, c.trimmed_loss) < loss]
    differences = [losses - contributions(c.losses, rung.statistic) for c in ahead]
    variances = [float(difference.var(ddof=1)) for difference in differences]
    return sum(variances) / max(1, len(variances))


def is_worse(
    losses: "Sequence[float] | np.ndarray",
    leader: "Sequence[float] | np.ndarray",
    *,
    delta: float,
    level: float,
    least_variance: float = 0.0,
) -> bool:
    """Whether `losses` are higher than the leader's by more than `delta`.

    Args:
        losses, leader: Finite losses on the same tasks, in the same order.
        delta: Difference that would be tolerated, >= 0, in the unit of the score.
        level: Of this one test.
        least_variance: Of a difference; one that these differences do not show.

    Raises:
        InvalidSearch: not the same number of tasks, or fewer than two.
    """
    import numpy as np  # the wire names this rule without it
    from scipy.special import stdtrit

    tasks = len(losses)
    if tasks != len(leader) or tasks < 2:
        raise InvalidSearch(
            "a race needs at least two tasks, the same for both trials, "
            f"got {tasks} and {len(leader)}"
        )
    differences = np.subtract(losses, leader)
    error = math.sqrt(max(differences.var(ddof=1), least_variance) / tasks)
    return bool(differences.mean() - delta > stdtrit(tasks - 1, 1 - level) * error)


def kept_share(options: Options) -> float:
    """Half: it depends on the noise, which nobody knows before."""
    return 0.5


KIND = PruningRule(
    "race",
    decide,
    kept_share,
    needs=frozenset({Need.TASK_LOSSES, Need.LEADER, Need.CONTENDERS}),
    reads=("delta", "alpha", "startup_trials"),
)
