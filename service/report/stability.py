"""The stability map: which inner rates train with how many inner steps, and which diverge."""

import math
from collections.abc import Sequence
from itertools import accumulate

from pydantic import TypeAdapter

from service.wire.spec.study import StudySpec
from service.wire.views.report import FrontierPoint, StabilityMap, StabilityPoint
from service.wire.views.studies import TrialView

AXES = ("inner_lr", "inner_steps")

_POINTS = TypeAdapter(list[StabilityPoint])


def stability_maps(spec: StudySpec, trials: Sequence[TrialView]) -> list[StabilityMap]:
    """A map for each branch that searches the inner rate or steps and has ended trials."""
    maps = []
    for branch in spec.branches:
        if not set(AXES) & set(branch.distributions()):
            continue
        own = [trial for trial in trials if trial.branch == branch.name]
        found = [point for trial in own if (point := _point(trial)) is not None]
        if found:
            points = _POINTS.validate_python(found)  # many at once: ten times as fast
            frontier = divergence_frontier(points)
            maps.append(StabilityMap(branch=branch.name, points=points, frontier=frontier))
    return maps


def _point(trial: TrialView) -> dict[str, object] | None:
    rate, steps = trial.params.get(AXES[0]), trial.params.get(AXES[1])
    if trial.status not in ("completed", "pruned", "diverged"):
        return None
    if not isinstance(rate, int | float) or not isinstance(steps, int):
        return None
    return {
        "trial_number": trial.trial_number,
        "inner_lr": float(rate),
        "inner_steps": steps,
        "diverged": trial.status == "diverged",
        "diverged_at": trial.diverged_at,
        "cause": trial.cause,
    }


def divergence_frontier(points: Sequence[StabilityPoint]) -> list[FrontierPoint]:
    """The frontier at each number of steps that has trained and diverged trials.

    It is the cut between two neighbouring rates, at their geometric mean, with the fewest
    misplaced trials: diverged below it or trained above it; of equally good cuts the lowest.
    Where every cut is worse than none (what diverged did so at low rates), there is no frontier.
    """
    frontiers = []
    for steps in sorted({point.inner_steps for point in points}):
        row = sorted((p for p in points if p.inner_steps == steps), key=lambda p: p.inner_lr)
        frontier = _cut(steps, row)
        if frontier is not None:
            frontiers.append(frontier)
    return frontiers


def _cut(steps: int, row: Sequence[StabilityPoint]) -> FrontierPoint | None:
    diverged = [point.diverged for point in row]
    below = list(accumulate(diverged, initial=0))  # how many diverged below each cut
    trained = len(row) - below[-1]
    misplaced = [below[cut] + trained - (cut - below[cut]) for cut in range(len(row) + 1)]
    best = min(range(len(misplaced)), key=misplaced.__getitem__)
    if best in (0, len(row)) or row[best - 1].inner_lr == row[best].inner_lr:
        return None
    low, high = row[best - 1].inner_lr, row[best].inner_lr
    return FrontierPoint(
        inner_steps=steps,
        inner_lr=math.sqrt(low * high),
        low=low,
        high=high,
        misplaced=misplaced[best],
    )
