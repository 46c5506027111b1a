"""Heavy tasks: the few that most of a score's uncertainty over tasks comes from.

With φ_t the influence of task t on the loss, they are the fewest of the worst tasks that have more
than half of Σ φ_t², and of those that are left again, as long as all together are at most one task
in a hundred.  Where there are such, a score is said with them: a mean over a thousand tasks of
which one scores 46,030 is a statement about that task.  Of normally
scattered losses such a share takes a quarter of all tasks or more.
"""

import numpy as np

from metaopt.estimation.statistics import locate
from metaopt.goals import Goals, Statistic
from service.judgement.estimates import Contender
from service.wire.views.judged import HeavyTask, HeavyTasks

MOST_SHARE = 0.01
LEAST_TASKS = 10
"""One of fewer may well have half of the variance."""
SHOWN = 10


def heavy_tasks(contender: Contender, goals: Goals) -> HeavyTasks | None:
    """The heavy tasks of a contender with losses, or None where there is no such thing."""
    losses = np.array(contender.by_task)
    worst_first = np.argsort(-losses, kind="stable")
    count = _count(losses[worst_first], goals.statistic)
    if not count:
        return None
    heavy = worst_first[:count]
    squares = locate(losses, goals.statistic).influences ** 2
    others = locate(np.delete(losses, heavy), goals.statistic)
    return HeavyTasks(
        count=count,
        share_of_variance=float(squares[heavy].sum() / squares.sum()),
        beyond=goals.score(float(losses[heavy].min())),
        without=goals.score(others.value),
        tasks=[
            HeavyTask(task=int(task), score=goals.score(float(losses[task])))
            for task in heavy[:SHOWN]
        ],
    )


def _count(losses: np.ndarray, statistic: Statistic) -> int:
    """How many tasks are heavy: as long as those that are left have heavy ones, these are too.

    Args:
        losses: Worst first.
    """
    count, most = 0, max(1, int(MOST_SHARE * losses.size))
    while losses.size - count >= LEAST_TASKS:
        squares = locate(losses[count:], statistic).influences ** 2
        if not squares.any():
            break
        shares = np.cumsum(squares) / squares.sum()
        more = int(np.searchsorted(shares, 0.5, side="right")) + 1
        if count + more > most:
            break
        count += more
    return count
