"""Contenders: configurations trained afresh, their sealed losses, and how sure those are.

A score becomes a loss where a contender is made of its trainings (`contender`), and less is better
from there on.  With f the study's statistic over tasks (mean, median, trimmed mean) a contender's
loss is the mean over its r trainings, x = mean_s f(x_s).  Two things make it uncertain:

    tasks       the mean of the influences φ_t of each task, means over trainings
    training    s² / r, s² the variance of f(x_s) between trainings

Both parts make one interval in `metaopt.estimation.limits`.  Noise belongs to whoever makes it: s²
is a contender's own, with r − 1 degrees of freedom.  But two trainings that happen to agree show
no noise at all, so it is not taken to be less than what is usual among the finalists,

    u = c · (the median of their s²; of an even number the lower one),  ⌈k / 2⌉ (r − 1) degrees

with c = ν / median of χ²(ν), ν = r − 1.  Likewise the tail of its losses over tasks (skewness and
degrees of freedom, not their size) is not taken to be lighter than the median of theirs: whoever
comes out on top is the one that happened to meet the least of it.  A single noisy one moves
medians little, and one that explodes has no part in them.  With one training each nothing is known
of s²: the interval covers the tasks only.

The difference of two contenders is paired by task, φ_t − ψ_t, and has the training noise of both.

A task *explodes* where adaptation diverges or leaves a loss a hundred times as high as that of
tasks without any adaptation, by one measure for all.  Means say little about that, so its share is
an estimate of its own.
"""

import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from scipy.special import bdtr, chdtri

from metaopt.estimation.intervals import (
    EVEN,
    EVERYWHERE,
    NO_TAIL,
    Bounds,
    Error,
    ErrorRates,
    Interval,
    Measured,
    Tail,
)
from metaopt.estimation.limits import error_of_mean, interval, share_interval, together
from metaopt.estimation.statistics import Located, locate, mean_of
from metaopt.goals import Goals

EXPLODES = 100.0
"""Times the loss without adaptation."""


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
    kept_at: int | None = None


class SeedNoise(NamedTuple):
    """Variance of a training's loss and its degrees of freedom: 0 where nothing is known."""

    variance: float
    degrees: int


NO_NOISE = SeedNoise(0.0, 0)
NOWHERE = Located(math.nan, np.zeros(0), math.inf)
"""What no training that completed has."""


class Contender(NamedTuple):
    """A configuration's losses on T tasks.

    Args:
        runs: Its fresh trainings.
        completed: Those that reached the end.
        by_task: Losses (T,), means over those.
        by_seed: Loss of each of those, the study's statistic over tasks.
        influences: Of the tasks on the loss (T,), with mean 0.
        task_degrees: The most degrees of freedom that its error over tasks can have.
        exploded: Share of the tasks that explode, mean over those that completed.
        bounds: Of a loss.
        noise: Of its trainings.
        tail: Of its losses over tasks, at least.
    """

    runs: list[SealedRun]
    completed: list[SealedRun]
    by_task: list[float]
    by_seed: list[float]
    influences: np.ndarray
    task_degrees: float = math.inf
    exploded: float = 0.0
    bounds: Bounds = EVERYWHERE
    noise: SeedNoise = NO_NOISE
    tail: Tail = NO_TAIL

    @property
    def loss(self) -> float:
        """Mean over its trainings; it needs one that completed."""
        return statistics.fmean(self.by_seed)

    @property
    def adapts(self) -> bool:
        """Whether no sealed task made it explode."""
        return self.exploded == 0.0

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


def unadapted_loss(runs: Iterable[SealedRun], goals: Goals) -> float:
    """The loss of tasks without adaptation: the median over fresh trainings, infinite of none."""
    losses = [goals.loss(run.curve[0]) for run in runs if run.curve]
    if not losses or goals.possible_losses[1] < math.inf:  # what is bounded does not explode
        return math.inf
    return statistics.median(losses)


def contender(runs: Sequence[SealedRun], goals: Goals, *, unadapted: float = math.inf) -> Contender:
    """The fresh trainings of one configuration, their scores as losses.

    Args:
        runs: Those trainings.
        goals: Of the study.
        unadapted: Loss of tasks without adaptation, by which they explode.
    """
    completed = [run for run in runs if run.status == "completed"]
    losses = [np.array([goals.loss(score) for score in run.scores]) for run in completed]
    located = [locate(of_tasks, goals.statistic) for of_tasks in losses]
    overall = mean_of(located) if located else NOWHERE
    return Contender(
        runs=list(runs),
        completed=completed,
        by_task=[statistics.fmean(of_task) for of_task in zip(*losses, strict=True)],
        by_seed=[each.value for each in located],
        influences=overall.influences,
        task_degrees=overall.degrees,
        exploded=_exploded(completed, losses, EXPLODES * unadapted),
        bounds=Bounds(*goals.possible_losses),
    )


def untrained(scores: Sequence[float], goals: Goals) -> Contender:
    """What nobody has to train: it has losses by task, and no noise of training.

    Args:
        scores: By task.
        goals: Of the study.
    """
    losses = [goals.loss(score) for score in scores]
    overall = locate(np.array(losses), goals.statistic)
    return Contender(
        runs=[],
        completed=[],
        by_task=losses,
        by_seed=[overall.value],
        influences=overall.influences,
        task_degrees=overall.degrees,
        bounds=Bounds(*goals.possible_losses),
    )


def _exploded(completed: Sequence[SealedRun], losses: Sequence[np.ndarray], limit: float) -> float:
    """Share of tasks that diverged, or whose loss is beyond a limit; mean over trainings."""
    if not completed:
        return 0.0
    return statistics.fmean(
        max(run.diverged_share, float(np.mean(of_tasks > limit)))
        for run, of_tasks in zip(completed, losses, strict=True)
    )


def among_finalists(finalists: Sequence[Contender]) -> list[Contender]:
    """The finalists, each no less noisy and with no lighter tail than is usual among them."""
    noise, tail = _usual(finalists)
    return [_no_less(each, noise, tail) for each in finalists]


def beside(contender: Contender, finalists: Sequence[Contender]) -> Contender:
    """A contender that is no finalist, no less noisy than is usual among these."""
    return _no_less(contender, *_usual(finalists))


def _usual(finalists: Sequence[Contender]) -> tuple[SeedNoise, Tail]:
    """What is usual among those that adapt and trained to the end."""
    usual = [each for each in finalists if each.adapts and each.completed]
    return usual_noise(usual), usual_tail(usual)


def _no_less(contender: Contender, noise: SeedNoise, tail: Tail) -> Contender:
    own = own_noise(contender)
    larger = own if own.degrees and own.variance >= noise.variance else noise
    return contender._replace(noise=larger, tail=tail)


def own_noise(contender: Contender) -> SeedNoise:
    """The variance of a contender's trainings."""
    if contender.seeds < 2:
        return NO_NOISE
    return SeedNoise(statistics.variance(contender.by_seed), contender.seeds - 1)


def usual_noise(contenders: Sequence[Contender]) -> SeedNoise:
    """The median of contenders' variances, as if of equal ones."""
    repeated = sorted(own_noise(each) for each in contenders if each.seeds > 1)
    if len(repeated) < 2:
        return repeated[0] if repeated else NO_NOISE
    half = repeated[: (len(repeated) + 1) // 2]
    variance, degrees = half[-1]
    median = float(chdtri(degrees, 0.5)) / degrees  # of the estimate of a variance of 1
    return SeedNoise(variance / median, sum(noise.degrees for noise in half))


def usual_tail(contenders: Sequence[Contender]) -> Tail:
    """The medians of the skewness and of the degrees of freedom of contenders' errors."""
    errors = [error for each in contenders if (error := _task_error(each)).stderr > 0.0]
    if not errors:
        return NO_TAIL
    return Tail(
        statistics.median_low(error.skewness for error in errors),
        statistics.median_high(error.degrees for error in errors),
    )


def loss_of(contender: Contender) -> Measured:
    """A contender's loss, with what makes it uncertain."""
    error = _task_error(contender).at_least(contender.tail)
    return Measured(contender.loss, error, _seeds([contender]), contender.bounds)


def difference_of(contender: Contender, other: Contender) -> Measured:
    """A contender's loss minus that of another, paired by task, with what makes it uncertain."""
    degrees = min(contender.task_degrees, other.task_degrees)
    error = error_of_mean(contender.influences - other.influences, degrees)
    bounds = contender.bounds.of_difference()
    return Measured(contender.loss - other.loss, error, _seeds([contender, other]), bounds)


def difference(
    contender: Contender, other: Contender, error_rates: ErrorRates = EVEN
) -> Interval | None:
    """The difference with its interval, or None where one of both has no score."""
    if not contender.completed or not other.completed:
        return None
    return interval(difference_of(contender, other), error_rates)


def optimism(
    score: float,
    scores: Sequence[float],
    sealed: Contender,
    goals: Goals,
    *,
    trainings: int = 1,
) -> Interval:
    """How much lower the search's loss was than the sealed one.

    Its errors: the tasks of the search's bank, the sealed tasks, and the noise of training, in n
    seeds there (`trainings`; its losses are their means) and in r here.

    Args:
        score: Of the search.
        scores: By task of the search's bank.
    """
    located = locate(np.array([goals.loss(each) for each in scores]), goals.statistic)
    tasks = _task_error(sealed).at_least(sealed.tail)
    of_search = error_of_mean(located.influences, located.degrees).times(-1)
    seeds = _seeds([sealed], again=1 / trainings)
    gap = sealed.loss - goals.loss(score)
    return interval(Measured(gap, tasks, [of_search, *seeds], sealed.bounds.of_difference()))


def exploded_share(contender: Contender) -> Interval:
    """The share of tasks that explode, with its exact limits."""
    return share_interval(contender.exploded, contender.tasks)


def explodes_more(contender: Contender, other: Contender) -> bool:
    """Whether a contender is known to explode on more tasks than another.

    Who was seen to explode has done what the other was never seen to do.  Of two that both
    explode, on m and n of the same number of tasks, the sign test of m of m + n says whether that
    can be told.
    """
    if other.exploded == 0.0 or contender.exploded <= other.exploded:
        return contender.exploded > other.exploded
    mine, theirs = (round(each.exploded * each.tasks) for each in (contender, other))
    return bool(2 * bdtr(theirs, mine + theirs, 0.5) <= 0.05)


def _task_error(contender: Contender) -> Error:
    return error_of_mean(contender.influences, contender.task_degrees)


def _seeds(contenders: Iterable[Contender], *, again: float = 0.0) -> list[Error]:
    """The noise of training as one part; one estimate of it counts once, whoever shares it."""
    shares: dict[SeedNoise, float] = {}
    for each in contenders:
        if each.noise.degrees:
            shares[each.noise] = shares.get(each.noise, again) + 1 / each.seeds
    known = shares.items()
    return together(Error(math.sqrt(n.variance * share), n.degrees) for n, share in known)
