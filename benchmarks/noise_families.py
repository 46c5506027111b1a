"""Families of noise: losses of equal configurations whose truth is known.

A training's loss on task t is made of

    the task      drawn from the family's distribution, with mean 1; `shared` of its logarithm (or
                  of the odds that it is a bad one) is common to all configurations, as the tasks
                  of one bank are, the rest is a configuration's own
    the training  what the family says, the same on all tasks, with mean 0
    both          a factor exp(0.2 z − 0.02), another for each task and training

so the true loss of every configuration is 1.  `real` families have none of it: they draw trainings
and tasks of a table of real ones (`benchmarks/score_vectors.py`).
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

Luck = np.random.Generator
Losses = np.ndarray


@dataclass(frozen=True)
class Family:
    """How the losses of k configurations, r trainings each, on T tasks arise.

    Args:
        name: In tables.
        tasks: (luck, z) -> losses with mean 1, of standard normal z.
        trainings: (luck, k, r) -> what a training adds (k, r), with mean 0.
        shared: Correlation of z between configurations, 0 to 1.
        beyond: Whether no interval can be asked to hold it without a caution.
    """

    name: str
    tasks: Callable[[Losses], Losses]
    trainings: Callable[[Luck, int, int], Losses]
    shared: float = 0.8
    beyond: bool = False

    def draw(self, luck: Luck, k: int, r: int, tasks: int) -> Losses:
        """Losses (k, r, tasks)."""
        common, own = luck.normal(size=(1, 1, tasks)), luck.normal(size=(k, 1, tasks))
        z = math.sqrt(self.shared) * common + math.sqrt(1 - self.shared) * own
        both = np.exp(0.2 * luck.normal(size=(k, r, tasks)) - 0.02)
        return self.tasks(z) * both + self.trainings(luck, k, r)[:, :, None]


def normal(z: Losses) -> Losses:
    """Losses with a standard deviation of 0.5."""
    return 1 + 0.5 * z


def log_normal(sigma: float) -> Callable[[Losses], Losses]:
    """Losses whose logarithm has that standard deviation."""
    return lambda z: np.exp(sigma * z - sigma**2 / 2)


def bad_tasks(share: float, times: float) -> Callable[[Losses], Losses]:
    """Log-normal losses (0.5), of which a share is `times` as bad."""
    from scipy.special import ndtri

    edge, mean = ndtri(1 - share), 1 + share * (times - 1)
    body = log_normal(0.5)

    def losses(z: Losses) -> Losses:
        # The body has to be independent of being bad: it takes the place of z within its part.
        bad = z > edge
        return np.where(bad, times, 1.0) * _body(z, edge, share, body) / mean

    return losses


def _body(z: Losses, edge: float, share: float, body: Callable[[Losses], Losses]) -> Losses:
    from scipy.special import ndtr, ndtri

    below = ndtr(z)
    place = np.where(z > edge, (below - (1 - share)) / share, below / (1 - share))
    return body(ndtri(np.clip(place, 1e-12, 1 - 1e-12)))


def steady(scatter: float) -> Callable[[Luck, int, int], Losses]:
    """Trainings with normal noise."""
    return lambda luck, k, r: scatter * luck.normal(size=(k, r))


def unequal(luck: Luck, k: int, r: int) -> Losses:
    """Trainings of the last configuration scatter 15 times as much as those of the others."""
    scatter = np.full((k, 1), 0.02)
    scatter[-1] = 0.3
    return scatter * luck.normal(size=(k, r))


def exponential(luck: Luck, k: int, r: int) -> Losses:
    """Trainings with a tail on the bad side."""
    return 0.2 * (luck.exponential(size=(k, r)) - 1)


def sometimes_bad(luck: Luck, k: int, r: int) -> Losses:
    """One training in ten is twice as bad."""
    return np.where(luck.random((k, r)) < 0.1, 0.9, -0.1)


USUAL = steady(0.05)
FAMILIES = (
    Family("normal", normal, USUAL),
    Family("LN(1)", log_normal(1.0), USUAL),
    Family("LN(1.5)", log_normal(1.5), USUAL),
    Family("LN(1), own tasks", log_normal(1.0), USUAL, shared=0.0),
    Family("LN(1.5), own tasks", log_normal(1.5), USUAL, shared=0.0),
    Family("seeds .02/.02/.3", normal, unequal),
    Family("seeds .02/.02/.3, LN(1)", log_normal(1.0), unequal),
    Family("LN(2)", log_normal(2.0), USUAL, beyond=True),
    Family("LN(2), own tasks", log_normal(2.0), USUAL, shared=0.0, beyond=True),
    Family("1 % of tasks x 50", bad_tasks(0.01, 50.0), USUAL, beyond=True),
    Family(".3 % of tasks x 50", bad_tasks(0.003, 50.0), USUAL, beyond=True),
    Family("exponential seeds", normal, exponential, beyond=True),
    Family("1 seed in 10 twice as bad", normal, sometimes_bad, beyond=True),
)
