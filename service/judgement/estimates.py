"""Contenders: configurations trained afresh, their sealed losses, and how sure those are.

A score becomes a loss where a contender is made of its trainings (`contender`), and less is better
from there on.  A contender's loss on task t is the mean over its r seeds, x_t.  Its interval is
mean ± t·SE,

    SE² = Var_t(x_t) / T + s² / r

The first term is the noise of the tasks, the second that of training: s² is the variance of a
contender's seeds' means, pooled over the finalists, with ν = Σ (r − 1) degrees of freedom, for two
or three seeds alone say next to nothing.  A finalist that diverges while it adapts to a sealed
task is not pooled: one such task moves its mean by orders of magnitude, which says nothing about
the others; it has the variance of its own seeds.  t is Student's, with the degrees of freedom of
Welch and Satterthwaite for the sum.  With one seed each s² is unknown: the interval covers the
tasks only.

The paired difference of two contenders over tasks, d_t = x_t − y_t, has

    SE² = Var_t(d_t) / T + s² (1 / r + 1 / q)

(where each has a variance of its own, s² / r + s'² / q); they are tied if its interval includes 0.
"""

import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from scipy.special import betaincinv

from metaopt.evaluation.intervals import (
    ErrorRates,
    Interval,
    Measured,
    SquaredError,
    mean_error,
)
from metaopt.evaluation.statistics import student_t
from metaopt.goals import Goals

EVEN = ErrorRates(0.025, 0.025)


@dataclass(frozen=True)
class SealedRun:
    """A fresh training of a finalist, or of the defaults if it has no source.

    It has scores, in the direction of the metric, if it completed.
    """

    trial_number: int
    source_trial_number: int | None
    status: str
    cause: str | None
    score: float | None
    scores: list[float]
    curve: list[float]
    diverged_share: float
    device_seconds: float
    meta_iterations: int = 0
    metrics: dict[str, float] = field(default_factory=dict)


class SeedNoise(NamedTuple):
    """Variance of a seed's mean and its degrees of freedom: 0 where nothing is known."""

    variance: float
    degrees: int


class Contender(NamedTuple):
    """A configuration's losses: by task as means over seeds, and by seed as means over tasks."""

    runs: list[SealedRun]
    completed: list[SealedRun]
    by_task: list[float]
    by_seed: list[float]
    noise: SeedNoise = SeedNoise(0.0, 0)

    @property
    def adapts(self) -> bool:
        """Whether no sealed task made it diverge."""
        return all(run.diverged_share == 0.0 for run in self.completed)

    @property
    def whole(self) -> bool:
        """Whether every fresh training reached the end."""
        return len(self.completed) == len(self.runs)

    @property
    def statuses(self) -> list[str]:
        """How each fresh training ended."""
        return [run.status for run in self.runs]

    @property
    def seeds(self) -> int:
        """How many fresh trainings reached the end."""
        return len(self.completed)

    @property
    def tasks(self) -> int:
        """On how many tasks those were scored."""
        return len(self.by_task)

    @property
    def diverged_share(self) -> float:
        """Mean share of tasks on which they diverge; a training that diverged does so on all."""
        shares = [run.diverged_share if run.status == "completed" else 1.0 for run in self.runs]
        return statistics.fmean(shares) if shares else 0.0

    @property
    def metrics(self) -> dict[str, float]:
        """Means of what else was measured of those that reached the end."""
        names = self.completed[0].metrics if self.completed else {}
        return {name: statistics.fmean(self.costs(name)) for name in names}

    def costs(self, metric: str) -> list[float]:
        """A metric of each fresh training that reached the end."""
        return [run.metrics[metric] for run in self.completed]


def contender(runs: Sequence[SealedRun], goals: Goals) -> Contender:
    """The fresh trainings of one configuration, their scores as losses."""
    completed = [run for run in runs if run.status == "completed"]
    losses = [[goals.loss(score) for score in run.scores] for run in completed]
    by_task = [statistics.fmean(of_task) for of_task in zip(*losses, strict=True)]
    return Contender(list(runs), completed, by_task, [statistics.fmean(seed) for seed in losses])


def with_pooled_noise(finalists: Sequence[Contender]) -> list[Contender]:
    """The finalists with the noise of their seeds, pooled over those that adapt."""
    pooled = seed_noise([each for each in finalists if each.adapts])
    return [
        each._replace(noise=pooled if each.adapts else seed_noise([each])) for each in finalists
    ]


def beside(reference: Contender, finalists: Sequence[Contender]) -> Contender:
    """A contender that is no finalist, with the noise of its seeds.

    It may be far worse than the finalists and noisier for that, so it stays out of their pool; but
    one or two degrees of freedom of its own would leave no interval worth reading.  It gets the
    pooled variance, or its own where that is larger.
    """
    pooled = seed_noise([each for each in finalists if each.adapts])
    own = seed_noise([reference])
    return reference._replace(noise=pooled if pooled.variance > own.variance else own)


def seed_noise(contenders: Sequence[Contender]) -> SeedNoise:
    """The noise of training, pooled over contenders."""
    repeated = [each.by_seed for each in contenders if len(each.by_seed) > 1]
    degrees = sum(len(means) - 1 for means in repeated)
    squares = sum(statistics.variance(means) * (len(means) - 1) for means in repeated)
    return SeedNoise(squares / degrees if degrees else 0.0, degrees)


def mean_of(contender: Contender) -> Measured:
    """A contender's mean over tasks and seeds, with what makes it uncertain."""
    by_task = contender.by_task
    return Measured(statistics.fmean(by_task), mean_error(by_task), _seeds([contender]))


def difference_of(contender: Contender, other: Contender) -> Measured:
    """A contender's mean minus that of another, paired by task, with what makes it uncertain."""
    by_task = [x - y for x, y in zip(contender.by_task, other.by_task, strict=True)]
    return Measured(statistics.fmean(by_task), mean_error(by_task), _seeds([contender, other]))


def difference(contender: Contender, other: Contender) -> Interval | None:
    """The difference with its interval, or None where one of both has no score."""
    if not contender.completed or not other.completed:
        return None
    return interval(difference_of(contender, other))


def optimism(search: Sequence[float], sealed: Contender, *, trainings: int = 1) -> Interval:
    """How much lower the search's mean loss was than the sealed one.

    SE² = Var_u(y_u) / U + Var_t(x_t) / T + s² (1 / n + 1 / r): the tasks u of the search's bank,
    the sealed tasks t, n seeds there (`trainings`; y_u is their mean) and r here.

    Args:
        search: Losses by task of the search's bank.
    """
    gap = statistics.fmean(sealed.by_task) - statistics.fmean(search)
    errors = [mean_error(search), mean_error(sealed.by_task)]
    errors += _seeds([sealed], more=(sealed, trainings))
    return interval_of(gap, errors)


def _seeds(
    contenders: Iterable[Contender], *, more: tuple[Contender, int] | None = None
) -> list[SquaredError]:
    shares: dict[SeedNoise, float] = {}  # one pooled variance is one estimate, whoever shares it
    for contender in contenders:
        shares[contender.noise] = shares.get(contender.noise, 0.0) + 1 / len(contender.by_seed)
    if more is not None:
        shares[more[0].noise] += 1 / more[1]
    return [SquaredError(noise.variance * n, noise.degrees) for noise, n in shares.items()]


def interval(measured: Measured, error_rates: ErrorRates = EVEN) -> Interval:
    """Limits of a mean whose noise of tasks and of training is known."""
    return interval_of(measured.value, measured.errors, error_rates)


def interval_of(
    value: float, errors: Iterable[SquaredError], error_rates: ErrorRates = EVEN
) -> Interval:
    """Limits of a value whose squared standard error is the sum of independent parts."""
    parts = [part for part in errors if part.value > 0.0]
    total = sum(part.value for part in parts)
    if total == 0.0:
        return Interval(value, 0.0, value, value)
    spread = sum(part.value**2 / part.degrees for part in parts)  # Welch and Satterthwaite
    stderr = math.sqrt(total)
    degrees = max(1, math.floor(total**2 / spread))
    below, above = (student_t(1 - rate, degrees) * stderr for rate in error_rates)
    return Interval(value, stderr, value - below, value + above)


def share_interval(share: float, tasks: int, error_rates: ErrorRates) -> Interval:
    """Exact limits of a share of tasks; seeds meet the same tasks, so they add nothing.

    A mean over trainings need be no whole number of tasks: each limit rounds to its own side.

    Reference:
        Clopper & Pearson (1934), "The use of confidence or fiducial limits illustrated in the
        case of the binomial".
    """
    if tasks == 0:
        return Interval(share, 0.0, share, share)
    fewest, most = math.floor(share * tasks + 1e-9), math.ceil(share * tasks - 1e-9)
    low, high = 0.0, 1.0
    if fewest:
        low = float(betaincinv(fewest, tasks - fewest + 1, error_rates.below))
    if most < tasks:
        high = float(betaincinv(most + 1, tasks - most, 1 - error_rates.above))
    return Interval(share, math.sqrt(share * (1 - share) / tasks), low, high)
