"""What a vector of per-task scores says: location, spread and a 95 % interval.

No torch: the dispatcher summarises what workers send.
"""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from scipy.special import stdtrit


@dataclass(frozen=True)
class Summary:
    """Statistics of a score vector; `low` and `high` bound the mean at 95 %.

    Args:
        trimmed_mean: Mean without the lowest and the highest 10 % of the scores.
        stderr: Standard deviation (n − 1) over √n.
    """

    mean: float
    median: float
    trimmed_mean: float
    standard_deviation: float
    stderr: float
    low: float
    high: float


def summarize(scores: Sequence[float]) -> Summary:
    """The statistics of at least one finite score.

    The interval is mean ± t·stderr, Student's t with n − 1 degrees of freedom; of one score it
    is that score.

    Raises:
        ValueError: no scores, or one that is not finite.
    """
    if not scores or not all(math.isfinite(score) for score in scores):
        raise ValueError(f"scores must be finite and at least one, got {list(scores)[:5]}…")
    n = len(scores)
    mean = statistics.fmean(scores)
    deviation = statistics.stdev(scores) if n > 1 else 0.0
    stderr = deviation / math.sqrt(n)
    half = student_t(0.975, n - 1) * stderr if n > 1 else 0.0
    return Summary(
        mean=mean,
        median=statistics.median(scores),
        trimmed_mean=trimmed_mean(scores),
        standard_deviation=deviation,
        stderr=stderr,
        low=mean - half,
        high=mean + half,
    )


def trimmed_mean(scores: Sequence[float], share: float = 0.1) -> float:
    """The mean without the lowest and the highest ⌊share · n⌋ scores."""
    cut = int(share * len(scores))
    return statistics.fmean(sorted(scores)[cut : len(scores) - cut])


def student_t(probability: float, degrees: int) -> float:
    """Quantile of Student's t: the value that is not exceeded with this probability.

    It is `scipy.stats.t.ppf`, from the part of scipy that is imported in no time.

    Raises:
        ValueError: Fewer than one degree of freedom.
    """
    if degrees < 1:
        raise ValueError(f"degrees of freedom must be >= 1, got {degrees}")
    return float(stdtrit(degrees, probability))
