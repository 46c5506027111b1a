"""What a vector of per-task scores says: location, spread and a 95 % interval.

Pure Python, no torch: the dispatcher summarises what workers send.
"""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

# Two-sided 95 % quantiles of Student's t by degrees of freedom; between the rows the larger
# quantile (fewer degrees of freedom) is taken, above the last row the normal's.
_T95 = {
    1: 12.706, 2: 4.303, 3: 3.182, 4: 2.776, 5: 2.571, 6: 2.447, 7: 2.365, 8: 2.306, 9: 2.262,
    10: 2.228, 12: 2.179, 15: 2.131, 20: 2.086, 25: 2.060, 30: 2.042, 40: 2.021, 60: 2.000,
    100: 1.984, 200: 1.972, 500: 1.965,
}  # fmt: skip


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
    """Return the statistics of at least one finite score.

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
    half = student_t95(n - 1) * stderr if n > 1 else 0.0
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
    """Return the mean without the lowest and the highest ⌊share · n⌋ scores."""
    cut = int(share * len(scores))
    return statistics.fmean(sorted(scores)[cut : len(scores) - cut])


def student_t95(degrees: int) -> float:
    """Return the two-sided 95 % quantile of Student's t, never less than the exact one."""
    if degrees < 1:
        raise ValueError(f"degrees of freedom must be >= 1, got {degrees}")
    if degrees > 500:
        return 1.965
    return _T95[max(d for d in _T95 if d <= degrees)]
