"""What a metric declares: how a task is scored, which way is better, and what scores there are."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from metaopt.errors import InvalidTasks

Scores = Callable[[Any, Any], Any]
"""(outputs, y) -> one score for each task; tensors, but nothing here loads torch.

    outputs     (*B, N, C): logits of C classes, or C predicted numbers
    y           (*B, N) class indices, or (*B, N, C) numbers; leading axes may be fewer
    returns     (*B,)

Of numbers it depends on o − y and on y − ȳ alone: both come without their mean where episodes are
normalised.
"""


@dataclass(frozen=True, eq=False)
class Metric:
    """One metric.

    Args:
        name: As in specs, results and charts.
        doc: One sentence.
        scores: Its function.
        classification: Whether targets are class indices.
        maximize: Whether a higher score is better.
        possible: The least and the greatest score.
        diverged: Score of a task that diverged, so that a mean stays finite; where less is better
            also the ceiling of all scores.  It is for targets whose spread is 1.
        power: Of the targets' unit in a score: 2 of squared errors, 1 of absolute ones, 0 of none.
        percent: Whether people read it as per cent.
        least_queries: Query examples that it needs to say anything.
        acts: Whether outputs are returns (*B, N, 1) of trajectories that a model acted in.
    """

    name: str
    doc: str
    scores: Scores
    classification: bool
    maximize: bool
    possible: tuple[float, float]
    diverged: float
    power: int = 0
    percent: bool = False
    least_queries: int = 1
    acts: bool = False

    @property
    def target(self) -> str:
        """What tasks ask for that are scored by it: "classes", "numbers" or "actions"."""
        if self.acts:
            return "actions"
        return "classes" if self.classification else "numbers"

    def check_queries(self, q_query: int, where: str = "") -> None:
        """Refuse fewer query examples than it needs.

        Args:
            where: Path of the field, e.g. "evaluation.".

        Raises:
            InvalidTasks: there are fewer.
        """
        if q_query < self.least_queries:
            raise InvalidTasks(
                f"metric {self.name} needs {where}q_query >= {self.least_queries}, got {q_query}"
            )


NOT_NEGATIVE = (0.0, math.inf)
SHARE = (0.0, 1.0)
