"""Goals: what a search is after beside the score, and what it may not exceed.  Pure.

Every metric but the score is a cost: less is better.  One set of values dominates another if it is
nowhere worse and somewhere better; those that nothing dominates are the Pareto front.  A constraint
is an upper bound of a metric.  Its violation is value − bound: not above 0 where it is kept.

How bad it is to break constraints of different units is measured on one scale, so that samplers and
pruners can rank trials by Deb's rule: those that keep all constraints first, the others by

    1 + Σ r / (1 + r),   r = (value − bound) / bound  of each broken constraint

A metric that was not measured breaks nothing: a trial that diverged before its first evaluation has
none, and is ranked by that it diverged.

Reference:
    Deb (2000), "An efficient constraint handling method for genetic algorithms".
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

SCORE = "score"
DIVERGED_VIOLATION = 100.0
"""What samplers are told of a trial that diverged: more than `Goals.violation` ever says."""

CONSTRAINTS_KEY = "constraints"
"""System attribute in which Optuna and its dashboard look for constraints; above 0 is broken."""
Statistic = Literal["mean", "median", "trimmed_mean"]
"""Of scores by task: what a trial is judged by."""
Metrics = Mapping[str, float]
Values = tuple[float, ...]


@dataclass(frozen=True)
class Goals:
    """What is optimized, and within which bounds.

    Args:
        maximize: Whether a higher score is better.
        objectives: Names of metrics, the score first.
        bounds: Upper bounds by metric.
        statistic: Of the scores by task, which is the score.
        possible: The least and the greatest score there can be.
    """

    maximize: bool
    objectives: tuple[str, ...] = (SCORE,)
    bounds: Mapping[str, float] = field(default_factory=dict)
    statistic: Statistic = "mean"
    possible: tuple[float, float] = (-math.inf, math.inf)

    @property
    def possible_losses(self) -> tuple[float, float]:
        """The least and the greatest loss there can be."""
        low, high = sorted(map(self.loss, self.possible))
        return low, high

    @property
    def several(self) -> bool:
        """Whether there are several objectives."""
        return len(self.objectives) > 1

    def loss(self, score: float) -> float:
        """The score as what is minimised: its direction is decided here and nowhere else."""
        return -score if self.maximize else score

    def score(self, loss: float) -> float:
        """The score whose loss this is, for people and tables."""
        return -loss if self.maximize else loss

    def values(self, score: float, metrics: Metrics) -> Values | None:
        """The values of the objectives in their order, or None where one is not known."""
        values = {**metrics, SCORE: score}
        if any(name not in values for name in self.objectives):
            return None
        return tuple(float(values[name]) for name in self.objectives)

    def losses(self, values: Values) -> Values:
        """The values with signs such that less is better."""
        first, *others = values
        return (self.loss(first), *others)

    def violations(self, metrics: Metrics) -> dict[str, float]:
        """Return value − bound of every constraint whose metric is known; above 0 is broken."""
        bounds = {name: bound for name, bound in self.bounds.items() if name in metrics}
        return {name: float(metrics[name] - bound) for name, bound in bounds.items()}

    def broken(self, metrics: Metrics) -> list[str]:
        """The names of the broken constraints."""
        return [name for name, excess in self.violations(metrics).items() if excess > 0]

    def feasible(self, metrics: Metrics) -> bool:
        """Whether no constraint is broken."""
        return not self.broken(metrics)

    def violation(self, metrics: Metrics) -> float:
        """Return 0 where every constraint is kept, else more than 1: the more, the worse."""
        excess = [r for r in self.relative(metrics) if r > 0]
        return 1.0 + sum(r / (1.0 + r) for r in excess) if excess else 0.0

    def relative(self, metrics: Metrics) -> Values:
        """Each constraint's violation in units of its bound, 0 where it is not known."""
        excess = self.violations(metrics)
        return tuple(
            excess.get(name, 0.0) / (bound if bound > 0 else 1.0)
            for name, bound in self.bounds.items()
        )


def dominates(losses: Values, other: Values) -> bool:
    """Whether `losses` are nowhere worse than `other` and somewhere better."""
    pairs = list(zip(losses, other, strict=True))
    return all(a <= b for a, b in pairs) and any(a < b for a, b in pairs)


def pareto_front(losses: Mapping[int, Values]) -> list[int]:
    """The numbers whose losses no other's dominate, by their losses, the first one first.

    Equal losses do not dominate each other: all of them are on the front.
    """
    front: list[int] = []
    # In this order nothing can be dominated by what comes later.
    for number in sorted(losses, key=lambda number: (losses[number], number)):
        if not any(dominates(losses[member], losses[number]) for member in front):
            front.append(number)
    return front


def spread(front: Sequence[int], losses: Mapping[int, Values], count: int) -> list[int]:
    """Return at most `count` of a front that lie far apart, its first (the best score) first.

    Each next one is the farthest from those chosen, every objective scaled to the front's range:
    greedy, and at most twice as near as the best choice would be.

    Reference:
        Gonzalez (1985), "Clustering to minimize the maximum intercluster distance".
    """
    if not front:
        return []
    scaled = _scaled([losses[number] for number in front])
    places = dict(zip(front, scaled, strict=True))
    chosen = [front[0]]
    while len(chosen) < min(count, len(front)):
        left = [number for number in front if number not in chosen]
        chosen.append(max(left, key=lambda n: _nearest(places[n], (places[c] for c in chosen))))
    return chosen


def _scaled(points: Sequence[Values]) -> list[Values]:
    axes = [(min(axis), max(axis)) for axis in zip(*points, strict=True)]
    sizes = [(low, high - low or 1.0) for low, high in axes]
    return [tuple((x - low) / r for x, (low, r) in zip(p, sizes, strict=True)) for p in points]


def _nearest(point: Values, others: Iterable[Values]) -> float:
    return min(sum((a - b) ** 2 for a, b in zip(point, other, strict=True)) for other in others)
