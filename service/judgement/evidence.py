"""Evidence for gates: a candidate beside a baseline, both trained afresh on the same tasks.

The statistics behind `metaopt.gates.evidence`: limits hold the noise of tasks and that of training
(`service.judgement.estimates`), each configuration's own, for candidate and baseline may differ in
model and length, and one scatter more than the other.  The noise of both trainings has the degrees
of freedom of Welch and Satterthwaite.  More tasks reduce the noise of tasks only.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from metaopt.estimation.intervals import EVERYWHERE, Bounds, Error, ErrorRates, Interval, Measured
from metaopt.estimation.limits import interval_of, share_interval
from metaopt.goals import Goals
from service.judgement.estimates import (
    Contender,
    SealedRun,
    contender,
    difference_of,
    loss_of,
    own_noise,
)
from service.wire.words import numbers
from service.wire.words.trivial import name_of


@dataclass(frozen=True)
class ScoreFigures:
    """Numbers in words, scores in the unit of their metric."""

    metric: str
    goals: Goals

    @property
    def better_side(self) -> str:
        """Where better scores lie."""
        return "above" if self.goals.maximize else "below"

    def score(self, score: float) -> str:
        """A score."""
        return numbers.score(score, self.metric)

    def difference(self, difference: float) -> str:
        """A difference of scores, with its sign."""
        return numbers.difference(difference, self.metric)

    def limits(self, interval: Interval) -> str:
        """The limits of a score or of a difference, in brackets."""
        return numbers.interval(interval.low, interval.high, self.metric)

    def number(self, value: float) -> str:
        """A cost."""
        return numbers.number(value)

    def predictor(self, name: str) -> str:
        """A trivial predictor."""
        return name_of(name)

    def share(self, share: float) -> str:
        """A share in per cent."""
        return numbers.share(share)


@dataclass(frozen=True)
class Evidence:
    """What is known at one interim analysis.

    Args:
        candidate, baseline: Each with the noise of its trainings; the baseline is None where there
            is none of that name yet.
        goals: Of the study.
        metric: Name of the score.
        error_rate: ε of this analysis.
        trivial: Trivial predictors on the same tasks, by their names.
    """

    candidate: Contender
    baseline: Contender | None
    goals: Goals
    metric: str
    error_rate: float
    trivial: Mapping[str, Contender] = field(default_factory=dict)

    @property
    def figures(self) -> ScoreFigures:
        """How numbers are said."""
        return ScoreFigures(self.metric, self.goals)

    def mean_loss(self) -> Measured:
        """Loss of the candidate, over tasks and trainings."""
        return loss_of(self.candidate)

    def excess_loss(self) -> Measured:
        """Loss of the candidate minus that of the baseline, paired by task."""
        assert self.baseline is not None
        return difference_of(self.candidate, self.baseline)

    def excess_over_trivial(self) -> dict[str, Measured]:
        """Loss of the candidate minus that of each trivial predictor, paired by task."""
        return {name: difference_of(self.candidate, own) for name, own in self.trivial.items()}

    def interval_of(self, measured: Measured, *, among: int = 1) -> Interval:
        """Limits that the truth exceeds with a probability of at most ε / `among`."""
        rates = ErrorRates(self.error_rate / among, self.error_rate / among)
        return interval_of(measured.value, measured.errors, rates, measured.bounds)

    def interval(
        self, value: float, errors: Sequence[Error], bounds: Bounds = EVERYWHERE
    ) -> Interval:
        """Limits that the truth exceeds with a probability of at most ε, on either side."""
        return interval_of(value, errors, self._error_rates, bounds)

    def share_interval(self, share: float, tasks: int) -> Interval:
        """Exact limits of a share of tasks, likewise."""
        return share_interval(share, tasks, self._error_rates)

    @property
    def _error_rates(self) -> ErrorRates:
        return ErrorRates(self.error_rate, self.error_rate)


def with_noise(
    candidate: Sequence[SealedRun], baseline: Sequence[SealedRun] | None, goals: Goals
) -> tuple[Contender, Contender | None]:
    """Candidate and baseline, each with the noise of its own trainings.

    Of a single training nothing is known about that: then it is taken to be the other's.
    """
    mine = contender(candidate, goals)
    both = [mine] if baseline is None else [mine, contender(baseline, goals)]
    noises = [own_noise(each) for each in both]
    largest = max(noises)  # where one of both has only one training
    mine, *others = (
        each._replace(noise=noise if noise.degrees else largest)
        for each, noise in zip(both, noises, strict=True)
    )
    return mine, (others[0] if others else None)
