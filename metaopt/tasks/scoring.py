"""How tasks are scored: by which metric, and in what unit."""

from typing import NamedTuple

import torch
from torch import Tensor

from metaopt.errors import InvalidTasks
from metaopt.metrics.metric import Metric
from metaopt.metrics.registry import METRICS, default_metric
from metaopt.tasks.base import Interactive, InUnits, Tasks, Unit


class Scoring(NamedTuple):
    """A metric of the kind of targets, and the unit of scores.

    Args:
        metric: By which.
        unit: Of the numbers to predict; None is that of the episodes, with a spread of 1.
    """

    metric: Metric
    unit: Unit | None = None

    @property
    def diverged(self) -> float:
        """Score of a task that diverged; where less is better also the ceiling of all."""
        spread = 1.0 if self.unit is None else self.unit.spread
        return self.metric.diverged * spread**self.metric.power

    def scores(self, outputs: Tensor, y: Tensor) -> Tensor:
        """The score of each task (*B,); NaN where outputs are not finite.

        Args:
            outputs: (*B, N, C).
            y: (*B, N) class indices, or (*B, N, C) numbers.
        """
        finite = outputs.isfinite().all(-1).all(-1)
        if self.unit is not None:
            outputs, y = outputs * self.unit.scale, y * self.unit.scale
        # An argmax over NaN or overflowed logits looks like an answer.
        return torch.where(finite, self.metric.scores(outputs, y), torch.nan)

    def broken(self, scores: Tensor) -> Tensor:
        """Which scores are those of tasks that diverged: not finite, or beyond all reason."""
        bad = ~scores.isfinite()
        return bad if self.metric.maximize else bad | (scores >= self.diverged)


def scoring_of(tasks: Tasks, metric: str | None) -> Scoring:
    """How `tasks` are scored by a metric; None is accuracy, or squared error.

    Raises:
        InvalidTasks: no such metric, or one of other targets.
    """
    target = target_of(tasks)
    record = METRICS.get(metric or default_metric(target))
    if record.target != target:
        fitting = [each.name for each in METRICS.kinds() if each.target == target]
        rule = f"metric {record.name} does not fit tasks of {target}"
        raise InvalidTasks(f"{rule}: take one of {', '.join(fitting)}")
    return Scoring(record, tasks.target_unit if isinstance(tasks, InUnits) else None)


def target_of(tasks: Tasks) -> str:
    """What tasks ask for: "classes", "numbers" or "actions"."""
    if isinstance(tasks, Interactive):
        return "actions"
    return "classes" if tasks.classification else "numbers"
