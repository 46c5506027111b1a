"""Mean absolute error."""

from typing import TYPE_CHECKING

from metaopt.metrics.metric import NOT_NEGATIVE, Metric

if TYPE_CHECKING:
    from torch import Tensor


def mae(outputs: "Tensor", y: "Tensor") -> "Tensor":
    """(1/NC) Σ |o_nc − y_nc|, in the unit of y."""
    return (outputs - y).abs().mean((-2, -1))


KIND = Metric(
    name="mae",
    doc="The mean absolute error, in the unit of the target.",
    scores=mae,
    classification=False,
    maximize=False,
    possible=NOT_NEGATIVE,
    diverged=1e3,
    power=1,
)
