"""Limits: the one place where an interval of the product is made.

    errors of tasks, of training ──half widths──▶ combined ──▶ cut off at what is possible

The half width of one part holds its tail and its skewness.  With s the standard error, γ the
skewness of the estimate and λ = γ / 3, Hall's transformation of t = (estimate − truth) / s,

    g(t) = t + λ t² + λ² t³ / 3 + λ / 2,    g⁻¹(y) = (∛(1 + 3 λ (y − λ/2)) − 1) / λ,

is nearly Student's with ν degrees of freedom, so the truth lies in

    [estimate − s g⁻¹(q_below),  estimate − s g⁻¹(−q_above)],    q_ε = t_{1−ε}(ν)

ν follows from the kurtosis κ of the n values that s is computed from, for a standard deviation of
heavy-tailed values is known as badly as one of few:

    ν = 2 n / (κ − (n − 3) / (n − 1)),  at most n − 1

Without skewness and heavy tails this is Student's interval.  Independent parts are combined by
their half widths, each side for itself: √(h₁² + h₂² + …).

How often such intervals cover is simulated in `benchmarks/verdict.py` (docs/verdict.md).

Reference:
    Hall (1992), "On the removal of skewness by transformation", JRSS B 54; O'Neill (2014), "Some
    useful moment results in sampling problems", The American Statistician 68; Zou & Donner (2008),
    "Construction of confidence limits about effect measures", Statistics in Medicine 27, for the
    combination (MOVER).
"""

import math
from collections.abc import Iterable, Sequence

import numpy as np
from scipy.special import betaincinv, stdtrit

from metaopt.estimation.intervals import (
    EVEN,
    EVERYWHERE,
    NO_ERROR,
    Bounds,
    Error,
    ErrorRates,
    Interval,
    Measured,
    Tail,
)

_SYMMETRIC = 1e-6  # of λ: below it g is the identity, but for rounding


def interval(measured: Measured, error_rates: ErrorRates = EVEN) -> Interval:
    """Limits of what was measured."""
    return interval_of(measured.value, measured.errors, error_rates, measured.bounds)


def interval_of(
    value: float,
    errors: Iterable[Error],
    error_rates: ErrorRates = EVEN,
    bounds: Bounds = EVERYWHERE,
) -> Interval:
    """Limits of a value whose error has independent parts.

    Args:
        value: The estimate; it is never outside its own interval.
        errors: Those parts.
        error_rates: The chance of either side to miss.
        bounds: Within which the truth lies.
    """
    parts = [error for error in errors if error.stderr > 0.0]
    below = math.hypot(*(_below(part, error_rates.below) for part in parts))
    above = math.hypot(*(_below(part.times(-1), error_rates.above) for part in parts))
    return Interval(
        value,
        math.hypot(*(part.stderr for part in parts)),
        min(value, max(value - below, bounds.low)),
        max(value, min(value + above, bounds.high)),
    )


def error_of_mean(values: Sequence[float] | np.ndarray, degrees: float = math.inf) -> Error:
    """The error of the mean of independent values; none of a single one.

    Args:
        values: Finite.
        degrees: At most so many degrees of freedom.
    """
    sample = np.asarray(values, dtype=np.float64)
    n = sample.size
    deviations = sample - sample.mean() if n else sample
    scale = float(np.abs(deviations).max(initial=0.0))
    if n < 2 or scale == 0.0:
        return NO_ERROR
    deviations /= scale  # a fourth power of 1e80 would overflow
    second, third, fourth = (float((deviations**power).mean()) for power in (2, 3, 4))
    kurtosis = fourth / second**2
    # The least kurtosis is 1, so the divisor is not below 2 / (n - 1).
    by_kurtosis = 2 * n / (kurtosis - (n - 3) / (n - 1))
    return Error(
        stderr=scale * math.sqrt(second / (n - 1)),
        degrees=max(1.0, min(by_kurtosis, n - 1, degrees)),
        skewness=third / second**1.5 / math.sqrt(n),
    )


def together(errors: Iterable[Error]) -> list[Error]:
    """Symmetric parts as one: its degrees of freedom are those of Welch and Satterthwaite."""
    parts = [error for error in errors if error.stderr > 0.0]
    if len(parts) < 2:
        return parts
    total = sum(part.variance for part in parts)
    spread = sum(part.variance**2 / part.degrees for part in parts)
    return [Error(math.sqrt(total), max(1.0, total**2 / spread))]


def share_interval(share: float, tasks: int, error_rates: ErrorRates = EVEN) -> Interval:
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


def student_t(probability: float, degrees: float) -> float:
    """Quantile of Student's t: the value that is not exceeded with this probability.

    It is `scipy.stats.t.ppf`, from the part of scipy that is imported in no time.

    Raises:
        ValueError: Fewer than one degree of freedom.
    """
    if degrees < 1:
        raise ValueError(f"degrees of freedom must be >= 1, got {degrees}")
    return float(stdtrit(degrees, probability))


def _below(error: Error, rate: float) -> float:
    """How far the truth may lie below the estimate: it is further with this probability."""
    return error.stderr * max(0.0, *(_standard_errors(tail, rate) for tail in error.tails))


def _standard_errors(tail: Tail, rate: float) -> float:
    y, skew = student_t(1 - rate, tail.degrees), tail.skewness / 3
    if abs(skew) > _SYMMETRIC:
        y = (math.cbrt(1 + 3 * skew * (y - skew / 2)) - 1) / skew
    return y
