"""Mean squared error."""

from typing import TYPE_CHECKING

from metaopt.metrics.metric import NOT_NEGATIVE, Metric

if TYPE_CHECKING:
    from torch import Tensor


def mse(outputs: "Tensor", y: "Tensor") -> "Tensor":
    """(1/NC) Σ (o_nc − y_nc)², in the unit of y²."""
    return (outputs - y).square().mean((-2, -1))


KIND = Metric(
    name="mse",
    doc="The mean squared error, in the unit of the target squared.",
    scores=mse,
    classification=False,
    maximize=False,
    possible=NOT_NEGATIVE,
    diverged=1e6,
    power=2,
)
