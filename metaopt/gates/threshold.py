"""Thresholds: on which side of one a true value lies, and what would tell.

    pass        the upper limit is on the right side: not above the threshold
    fail        the lower limit is on the wrong one
    undecided   neither

Everything is minimised.
"""

import math

from metaopt.estimation.intervals import Interval, Measured
from metaopt.gates.evidence import Trainings
from metaopt.gates.rule import Answer

MOST_TASKS = 1_000_000  # more than that is no advice
MOST_SEEDS = 1000


def side(interval: Interval, threshold: float, *, strictly: bool = False) -> Answer:
    """Whether the truth is at or below the threshold, `strictly` below it."""
    if interval.high < threshold or (interval.high == threshold and not strictly):
        return "pass"
    return "fail" if interval.low > threshold else "undecided"


def more_needed(
    candidate: Trainings, measured: Measured, interval: Interval, threshold: float
) -> tuple[int | None, int | None]:
    """About how many more tasks, or else trainings of each, would decide.

    The limit that is on the other side of the threshold is taken to stay as many standard errors
    away as it is now; None where it is cut off at what is possible.
    """
    limit = interval.low if measured.value > threshold else interval.high
    if interval.stderr == 0.0 or limit == interval.value:
        return None, None
    tasks, seeds = candidate.tasks, candidate.seeds
    distance = (limit - interval.value) / interval.stderr
    needed = ((measured.value - threshold) / distance) ** 2
    of_tasks, of_seeds = measured.tasks.variance, sum(part.variance for part in measured.seeds)
    if needed > of_seeds:
        total = math.ceil(tasks * of_tasks / (needed - of_seeds))
        return (max(1, total - tasks), None) if total <= MOST_TASKS else (None, None)
    if needed > of_tasks:
        total = math.ceil(seeds * of_seeds / (needed - of_tasks))
        return (None, max(1, total - seeds)) if total <= MOST_SEEDS else (None, None)
    return None, None
