"""Replication: which of a search's best trials are trained again, with fresh seeds.  Pure.

    leader        the least x̄, the mean loss over its n trainings
    challengers   what the noise of training leaves open:  |x̄ − ȳ| < z·√(s² (1/n + 1/m))
    again         of these, at most `TOGETHER` at once, those with the fewest trainings

s² is the variance of a configuration's trainings, pooled over all that were trained again; before
there are any, the two best are.  The tasks' noise has no part in it: all trainings are judged on
the same tasks, so it stays the same however often they are repeated, and what it leaves open is
for the verdict's sealed tasks.  It ends when no challenger is left, or nothing of the reserve.

A configuration that diverges when it is trained again ranks below all that never did: what trains
only sometimes is not a recommendation.  A training that failed or was cancelled says nothing.

Reference:
    Russo (2020), "Simple Bayesian Algorithms for Best-Arm Identification", Operations Research
    68(6), arXiv:1602.08448: measure the best and what may yet turn out to be better (top-two
    sampling).  There the challenger is drawn; here all that are open are measured together, since
    lanes of one program cost little more than one.
"""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from metaopt.errors import InvalidSearch

TOGETHER = 4  # configurations in a round: more would go to some that are soon out of the question
Z = 1.0  # standard errors of the gap


@dataclass(frozen=True)
class Configuration:
    """A completed trial of the search and what became of it when it was trained again.

    Args:
        trial_number: Of the search's trial.
        losses: Of its trainings that completed, the search's own first; finite.
        diverged: How often it diverged when it was trained again.
        poolable: Whether its trainings say what noise is usual (no task made one explode).
    """

    trial_number: int
    losses: Sequence[float]
    diverged: int = 0
    poolable: bool = True

    def __post_init__(self) -> None:
        """Refuse what has no mean."""
        if not self.losses or not all(map(math.isfinite, self.losses)):
            raise InvalidSearch(
                f"trial {self.trial_number} needs finite losses, at least one, got {self.losses}"
            )

    @property
    def mean(self) -> float:
        """Mean loss over its trainings."""
        return statistics.fmean(self.losses)


def ranked(configurations: Sequence[Configuration]) -> list[Configuration]:
    """The configurations, best first; those that diverged again last, ties by trial number."""
    return sorted(configurations, key=lambda c: (c.diverged > 0, c.mean, c.trial_number))


def seed_variance(configurations: Sequence[Configuration]) -> float | None:
    """Variance of the trainings of a configuration, pooled; None if none was repeated."""
    repeated = [c for c in configurations if len(c.losses) > 1 and c.poolable]
    degrees = sum(len(c.losses) - 1 for c in repeated)
    if not degrees:
        return None
    squares = sum(statistics.variance(c.losses) * (len(c.losses) - 1) for c in repeated)
    return squares / degrees


def train_again(configurations: Sequence[Configuration], *, left: int) -> list[Configuration]:
    """The configurations that are trained once more now; none if no challenger is left.

    Args:
        configurations: All that may be finalists.
        left: How many trainings the reserve still has.
    """
    steady = [c for c in ranked(configurations) if not c.diverged]
    if len(steady) < 2 or left <= 0:
        return []
    variance = seed_variance(steady)
    if variance is None:
        return steady[:2][:left]
    leader = steady[0]
    challengers = [c for c in steady[1:] if _is_open(leader, c, variance)]
    if not challengers:
        return []
    contenders = [leader, *challengers]
    fewest = sorted(contenders, key=lambda c: len(c.losses))  # stable: the best of equals first
    return fewest[: min(TOGETHER, left)]


def _is_open(leader: Configuration, other: Configuration, variance: float) -> bool:
    error = math.sqrt(variance * (1 / len(leader.losses) + 1 / len(other.losses)))
    return abs(leader.mean - other.mean) < Z * error
