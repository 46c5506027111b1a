"""Contenders: configurations trained afresh, their sealed scores, and how sure those are.

A contender's score on task t is the mean over its r seeds, x_t.  Its interval is mean ± t·SE,

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

from metaopt.evaluation.statistics import student_t
from service.wire.views.judged import Estimate


@dataclass(frozen=True)
class SealedRun:
    """A fresh training of a finalist, or of the defaults if it has no source.

    It has scores if it completed.
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


class SquaredError(NamedTuple):
    """A part of the squared standard error, and its degrees of freedom."""

    value: float
    degrees: int


class Tails(NamedTuple):
    """Chances that the truth lies below an interval, and above it."""

    below: float
    above: float


EVEN = Tails(0.025, 0.025)


class Measured(NamedTuple):
    """A mean and the parts of its squared standard error: of tasks, and of training."""

    value: float
    tasks: SquaredError
    seeds: list[SquaredError]

    def estimate(self, tails: Tails = EVEN) -> Estimate:
        """Return it with an interval."""
        return estimate_of(self.value, [self.tasks, *self.seeds], tails)


class Contender(NamedTuple):
    """A configuration's scores: by task as means over seeds, and by seed as means over tasks."""

    runs: list[SealedRun]
    completed: list[SealedRun]
    by_task: list[float]
    by_seed: list[float]
    noise: SeedNoise = SeedNoise(0.0, 0)

    @property
    def adapts(self) -> bool:
        """Return whether no sealed task made it diverge."""
        return all(run.diverged_share == 0.0 for run in self.completed)

    @property
    def whole(self) -> bool:
        """Return whether every fresh training reached the end."""
        return len(self.completed) == len(self.runs)


def contender(runs: Sequence[SealedRun]) -> Contender:
    """Return what the fresh trainings of one configuration say."""
    completed = [run for run in runs if run.status == "completed"]
    by_task = [statistics.fmean(x) for x in zip(*(run.scores for run in completed), strict=True)]
    return Contender(
        list(runs), completed, by_task, [statistics.fmean(r.scores) for r in completed]
    )


def with_pooled_noise(finalists: Sequence[Contender]) -> list[Contender]:
    """Return the finalists with the noise of their seeds, pooled over those that adapt."""
    pooled = seed_noise([one for one in finalists if one.adapts])
    return [one._replace(noise=pooled if one.adapts else seed_noise([one])) for one in finalists]


def beside(reference: Contender, finalists: Sequence[Contender]) -> Contender:
    """Return a contender that is no finalist with the noise of its seeds.

    It may be far worse than the finalists and noisier for that, so it stays out of their pool; but
    one or two degrees of freedom of its own would leave no interval worth reading.  It gets the
    pooled variance, or its own where that is larger.
    """
    pooled, own = seed_noise([one for one in finalists if one.adapts]), seed_noise([reference])
    return reference._replace(noise=pooled if pooled.variance > own.variance else own)


def seed_noise(contenders: Sequence[Contender]) -> SeedNoise:
    """Return the noise of training, pooled over contenders."""
    repeated = [one.by_seed for one in contenders if len(one.by_seed) > 1]
    degrees = sum(len(means) - 1 for means in repeated)
    squares = sum(statistics.variance(means) * (len(means) - 1) for means in repeated)
    return SeedNoise(squares / degrees if degrees else 0.0, degrees)


def sealed_mean(one: Contender, tails: Tails = EVEN) -> Estimate:
    """Return a contender's mean over tasks and seeds."""
    return mean_of(one).estimate(tails)


def mean_of(one: Contender) -> Measured:
    """Return a contender's mean over tasks and seeds, with what makes it uncertain."""
    return Measured(statistics.fmean(one.by_task), task_error(one.by_task), _seeds([one]))


def difference_of(one: Contender, other: Contender) -> Measured:
    """Return the mean of `one` minus that of `other`, with what makes it uncertain."""
    by_task = [x - y for x, y in zip(one.by_task, other.by_task, strict=True)]
    return Measured(statistics.fmean(by_task), task_error(by_task), _seeds([one, other]))


def difference(one: Contender, other: Contender) -> Estimate | None:
    """Return the mean of `one` minus that of `other`, or None where one has no score."""
    if not one.completed or not other.completed:
        return None
    return difference_of(one, other).estimate()


def optimism(
    search_scores: Sequence[float], one: Contender, *, maximize: bool, trainings: int = 1
) -> Estimate:
    """Return how much better the search's mean was than the sealed one.

    SE² = Var_u(y_u) / U + Var_t(x_t) / T + s² (1 / n + 1 / r): the tasks u of the search's bank,
    the sealed tasks t, n seeds there (`trainings`; y_u is their mean) and r here.
    """
    gap = statistics.fmean(search_scores) - statistics.fmean(one.by_task)
    errors = [task_error(search_scores), task_error(one.by_task)]
    errors += _seeds([one], more=(one, trainings))
    return estimate_of(gap if maximize else -gap, errors)


def task_error(scores: Sequence[float]) -> SquaredError:
    """Return the squared standard error of a mean over tasks, or over anything independent."""
    if len(scores) < 2:
        return SquaredError(0.0, 1)
    return SquaredError(statistics.variance(scores) / len(scores), len(scores) - 1)


def _seeds(
    contenders: Iterable[Contender], *, more: tuple[Contender, int] | None = None
) -> list[SquaredError]:
    shares: dict[SeedNoise, float] = {}  # one pooled variance is one estimate, whoever shares it
    for one in contenders:
        shares[one.noise] = shares.get(one.noise, 0.0) + 1 / len(one.by_seed)
    if more is not None:
        shares[more[0].noise] += 1 / more[1]
    return [SquaredError(noise.variance * n, noise.degrees) for noise, n in shares.items()]


def estimate_of(value: float, errors: Iterable[SquaredError], tails: Tails = EVEN) -> Estimate:
    """Return an estimate whose squared standard error is the sum of independent parts."""
    known = [part for part in errors if part.value > 0.0]
    total = sum(part.value for part in known)
    if total == 0.0:
        return Estimate(value=value, stderr=0.0, low=value, high=value)
    spread = sum(part.value**2 / part.degrees for part in known)  # Welch and Satterthwaite
    stderr = math.sqrt(total)
    degrees = max(1, math.floor(total**2 / spread))
    below, above = (student_t(1 - tail, degrees) * stderr for tail in tails)
    return Estimate(value=value, stderr=stderr, low=value - below, high=value + above)
