"""Heavy tasks: the few that most of a score's uncertainty over tasks comes from.

With φ_t the influence of task t on the loss, they are the fewest of the worst tasks that have more
than half of Σ φ_t².  Where that is at most one task in a hundred, a score is said with them: a
mean over a thousand tasks of which one scores 46,030 is a statement about that task.  Of normally
scattered losses such a share takes a quarter of all tasks or more.
"""

import numpy as np

from metaopt.estimation.statistics import locate
from metaopt.goals import Goals
from service.judgement.estimates import Contender
from service.wire.views.judged import HeavyTask, HeavyTasks

MOST_SHARE = 0.01
LEAST_TASKS = 10
"""One of fewer may well have half of the variance."""
SHOWN = 10


def heavy_tasks(contender: Contender, goals: Goals) -> HeavyTasks | None:
    """The heavy tasks of a contender with losses, or None where there is no such thing."""
    if contender.tasks < LEAST_TASKS:
        return None
    squares = contender.influences**2
    worst_first = np.argsort(-contender.influences, kind="stable")
    shares = np.cumsum(squares[worst_first]) / (squares.sum() or 1.0)
    count = int(np.searchsorted(shares, 0.5, side="right")) + 1
    if count > max(1, int(MOST_SHARE * contender.tasks)) or not squares.any():
        return None
    losses = np.array(contender.by_task)
    heavy = worst_first[:count]
    others = locate(np.delete(losses, heavy), goals.statistic)
    return HeavyTasks(
        count=count,
        share_of_variance=float(shares[count - 1]),
        beyond=goals.score(float(losses[heavy].min())),
        without=goals.score(others.value),
        tasks=[
            HeavyTask(task=int(task), score=goals.score(float(losses[task])))
            for task in heavy[:SHOWN]
        ],
    )
