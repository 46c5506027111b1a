"""Normalised squared error: beside the variance of the task's own query targets."""

from typing import TYPE_CHECKING

from metaopt.metrics.metric import NOT_NEGATIVE, Metric

if TYPE_CHECKING:
    from torch import Tensor


def nmse(outputs: "Tensor", y: "Tensor") -> "Tensor":
    """Σ_n (o_nc − y_nc)² / Σ_n (y_nc − ȳ_c)², the mean over the C numbers: 1 − R².

    It has no unit: whoever answers with the mean of the query targets has 1.  Of a number that is
    the same in all query examples (of a single one it always is) the variance is 0: it counts 0
    where every answer is exact, and else 1, as in scikit-learn's `r2_score`.

    Reference:
        Draper & Smith (1998), Applied Regression Analysis, 3rd ed., section 1.3 (R²).
    """
    error = (outputs - y).square().mean(-2)
    variance = y.var(-2, correction=0)
    same = y.amax(-2) == y.amin(-2)  # rounding makes a variance of equal numbers that is not 0
    ratio = error / variance.masked_fill(same, 1.0)
    return ratio.where(~same, (error > 0).to(error.dtype)).mean(-1)


KIND = Metric(
    name="nmse",
    doc="The mean squared error over the variance of the task's query targets, 1 − R².",
    scores=nmse,
    classification=False,
    maximize=False,
    possible=NOT_NEGATIVE,
    diverged=1e6,
    least_queries=2,
)
