"""Accuracy: the share of right answers."""

from typing import TYPE_CHECKING

from metaopt.metrics.metric import SHARE, Metric

if TYPE_CHECKING:
    from torch import Tensor


def accuracy(outputs: "Tensor", y: "Tensor") -> "Tensor":
    """(1/N) Σ [argmax_c o_nc = y_n]; of equal logits the first class is the answer."""
    return (outputs.argmax(-1) == y).to(outputs.dtype).mean(-1)


KIND = Metric(
    name="accuracy",
    doc="The share of right answers.",
    scores=accuracy,
    classification=True,
    maximize=True,
    possible=SHARE,
    diverged=0.0,
    percent=True,
)
