"""What a vector of per-task scores says: location, spread and a 95 % interval.

A study judges by one statistic over tasks: the mean, the median, or the mean without the lowest
and the highest tenth.  Each has influences φ_i, one for each value and 0 on average: by how much
the value moves the estimate, which is the truth plus their mean but for smaller terms.  So the
error of any of the statistics, and of differences paired by task, is that of a mean of influences.

No torch: the dispatcher summarises what workers send.

Reference:
    Hampel (1974), "The influence curve and its role in robust estimation"; Tukey & McLaughlin
    (1963) for the trimmed mean; Price & Bonett (2001), "Estimating the variance of the sample
    median".
"""

import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy.special import bdtr, ndtri

from metaopt.estimation.intervals import EVERYWHERE, Bounds, Interval
from metaopt.estimation.limits import error_of_mean, interval_of
from metaopt.goals import Statistic

ROUNDING = 1e-13
"""Of values: what they differ by less does not tell them apart."""
TRIMMED = 0.1
"""Share of the values that a trimmed mean leaves out at either end."""


class Located(NamedTuple):
    """A statistic of n values.

    Args:
        value: Itself.
        influences: Of each value (n,), with mean 0.
        degrees: The most degrees of freedom that its standard error can have.
    """

    value: float
    influences: np.ndarray
    degrees: float


@dataclass(frozen=True)
class Summary:
    """Statistics of a score vector; `stderr`, `low` and `high` are of the one that was asked for.

    Args:
        trimmed_mean: Mean without the lowest and the highest 10 % of the scores.
        low, high: Limits of its truth at 95 %.
    """

    mean: float
    median: float
    trimmed_mean: float
    standard_deviation: float
    stderr: float
    low: float
    high: float


def summarize(
    scores: Sequence[float], statistic: Statistic = "mean", bounds: Bounds = EVERYWHERE
) -> Summary:
    """The statistics of at least one finite score; of one score the interval is that score.

    Args:
        scores: By task.
        statistic: Which one the interval is of.
        bounds: Within which its truth lies.

    Raises:
        ValueError: no scores, or one that is not finite.
    """
    if not len(scores) or not all(map(math.isfinite, scores)):
        raise ValueError(f"scores must be finite and at least one, got {list(scores)[:5]}…")
    sample = np.asarray(scores, dtype=np.float64)
    limits = limits_of(locate(sample, statistic), bounds)
    return Summary(
        mean=locate(sample, "mean").value,
        median=float(np.median(sample)),
        trimmed_mean=trimmed_mean(sample),
        standard_deviation=float(sample.std(ddof=1)) if sample.size > 1 else 0.0,
        stderr=limits.stderr,
        low=limits.low,
        high=limits.high,
    )


def difference(
    scores: Sequence[float], others: Sequence[float], statistic: Statistic = "mean"
) -> Interval:
    """The statistic of scores minus that of others on the same tasks, with its 95 % interval."""
    mine, theirs = (
        locate(np.asarray(each, dtype=np.float64), statistic) for each in (scores, others)
    )
    influences = mine.influences - theirs.influences
    return limits_of(Located(mine.value - theirs.value, influences, mine.degrees))


def locate(sample: np.ndarray, statistic: Statistic) -> Located:
    """A statistic of at least one finite value, and what each value adds to it."""
    return _LOCATE[statistic](sample)


def contributions(values: Sequence[float], statistic: Statistic) -> np.ndarray:
    """What each value contributes to the statistic (n,): their mean is the statistic.

    So a paired test of means compares medians or trimmed means.
    """
    sample = np.asarray(values, dtype=np.float64)
    if statistic == "mean":
        return sample
    located = locate(sample, statistic)
    return located.value + located.influences


def mean_of(located: Sequence[Located]) -> Located:
    """The mean of a statistic over one sample or more, all of the same tasks."""
    return Located(
        statistics.fmean(each.value for each in located),
        np.mean([each.influences for each in located], axis=0),
        min(each.degrees for each in located),
    )


def limits_of(located: Located, bounds: Bounds = EVERYWHERE) -> Interval:
    """Its 95 % interval over tasks."""
    error = error_of_mean(located.influences, located.degrees)
    return interval_of(located.value, [error], bounds=bounds)


def trimmed_mean(scores: Sequence[float] | np.ndarray, share: float = TRIMMED) -> float:
    """The mean without the lowest and the highest ⌊share · n⌋ scores."""
    cut = int(share * len(scores))
    return math.fsum(sorted(scores)[cut : len(scores) - cut]) / (len(scores) - 2 * cut)


def _mean(sample: np.ndarray) -> Located:
    value = math.fsum(sample) / sample.size
    influences = sample - value
    if np.abs(influences).max() <= ROUNDING * np.abs(sample).max():
        influences = np.zeros_like(sample)
    return Located(value, influences, math.inf)


def _trimmed_mean(sample: np.ndarray) -> Located:
    """Its influences are the winsorized values, over the share that is kept."""
    n, ordered = sample.size, np.sort(sample)
    cut = int(TRIMMED * n)
    winsorized = np.clip(sample, ordered[cut], ordered[n - cut - 1])
    influences = (winsorized - winsorized.mean()) / (1 - 2 * cut / n)
    return Located(trimmed_mean(sample), influences, max(1, n - 2 * cut - 1))


def _median(sample: np.ndarray) -> Located:
    """Its influences are ± one size, such that their mean has Price and Bonett's variance."""
    value = float(np.median(sample))
    signs = np.sign(sample - value)
    spread = signs.std(ddof=1) if sample.size > 1 else 0.0
    if spread == 0.0:
        return Located(value, np.zeros_like(sample), math.inf)
    size = _stderr_of_median(np.sort(sample)) * math.sqrt(sample.size) / spread
    return Located(value, (signs - signs.mean()) * size, math.inf)


def _stderr_of_median(ordered: np.ndarray) -> float:
    """Half the distance of two order statistics, in normal quantiles; of steps the outer ones.

    Accuracies of some queries come in steps wider than their median's error: then nobody can tell
    the median from its neighbours.
    """
    n = ordered.size
    place = max(1, round((n + 1) / 2 - math.sqrt(n)))
    outside = float(bdtr(place - 1, n, 0.5))  # of a fair coin: fewer than `place` heads of n
    low, high = ordered[place - 1], ordered[n - place]
    below, above = np.searchsorted(ordered, low, "left"), np.searchsorted(ordered, high, "right")
    if below < place - 1:  # others are the same
        low = ordered[max(0, below - 1)]
    if above > n - place + 1:
        high = ordered[min(n - 1, above)]
    return float((high - low) / (2 * -ndtri(outside)))


_LOCATE: Mapping[str, Callable[[np.ndarray], Located]] = {
    "mean": _mean,
    "median": _median,
    "trimmed_mean": _trimmed_mean,
}
