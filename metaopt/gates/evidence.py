"""Evidence: what a gate's rule may know of a candidate and its baseline.

Scores are losses here: less is better, whatever the metric.  `service.judgement.evidence` has the
statistics behind it.
"""

from collections.abc import Mapping, Sequence
from typing import Protocol

from metaopt.estimation.intervals import EVERYWHERE, Bounds, Error, Interval, Measured
from metaopt.goals import Goals


class Trainings(Protocol):
    """Fresh trainings of one configuration, scored on the tasks of the gate bank."""

    @property
    def statuses(self) -> list[str]:
        """How each ended: completed, diverged or failed."""

    @property
    def seeds(self) -> int:
        """How many reached the end."""

    @property
    def tasks(self) -> int:
        """On how many tasks each of those was scored."""

    @property
    def diverged_share(self) -> float:
        """Mean share of tasks on which they diverge; a training that diverged does so on all."""

    def costs(self, metric: str) -> list[float]:
        """A cost of each that reached the end."""


class Figures(Protocol):
    """Numbers in words; scores in the unit of their metric."""

    @property
    def better_side(self) -> str:
        """Where better scores lie: above or below."""

    def score(self, score: float) -> str: ...  # noqa: D102

    def difference(self, difference: float) -> str:
        """A difference of scores, with its sign."""

    def limits(self, interval: Interval) -> str:
        """The limits of a score or of a difference of scores, in brackets."""

    def number(self, value: float) -> str: ...  # noqa: D102

    def predictor(self, name: str) -> str:
        """A trivial predictor as people call it."""

    def share(self, share: float) -> str:
        """A share in per cent."""


class Evidence(Protocol):
    """All that is known at one interim analysis; its limits keep that analysis' error rate."""

    @property
    def candidate(self) -> Trainings: ...  # noqa: D102

    @property
    def baseline(self) -> Trainings | None:
        """None where there is none of that name yet."""

    @property
    def goals(self) -> Goals:
        """What turns scores into losses."""

    @property
    def figures(self) -> Figures: ...  # noqa: D102

    def mean_loss(self) -> Measured:
        """Loss of the candidate over tasks and trainings."""

    def excess_loss(self) -> Measured:
        """Loss of the candidate minus that of the baseline, paired by task."""

    def excess_over_trivial(self) -> Mapping[str, Measured]:
        """Loss of the candidate minus that of each trivial predictor, paired by task, by name."""

    def interval_of(self, measured: Measured, *, among: int = 1) -> Interval:
        """One-sided limits of what was measured; `among` several of which none is to be wrong."""

    def interval(
        self, value: float, errors: Sequence[Error], bounds: Bounds = EVERYWHERE
    ) -> Interval:
        """One-sided limits to both sides of a value whose error has these independent parts."""

    def share_interval(self, share: float, tasks: int) -> Interval:
        """Exact one-sided limits of a share of tasks."""
