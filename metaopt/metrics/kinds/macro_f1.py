"""Macro F1: the mean over classes of F1, so that a class counts the same however rare it is."""

from typing import TYPE_CHECKING

from metaopt.metrics.metric import SHARE, Metric

if TYPE_CHECKING:
    from torch import Tensor


def macro_f1(outputs: "Tensor", y: "Tensor") -> "Tensor":
    """The mean over classes of F1_c = 2 TP_c / (2 TP_c + FP_c + FN_c).

    A class that no example has and no answer names is left out, as scikit-learn's `f1_score`
    with `average="macro"` does.

    Reference:
        van Rijsbergen (1979), Information Retrieval, chapter 7; the mean of F1, not the F1 of
        means, of Opitz & Burst (2019), arXiv:1911.03347.
    """
    import torch

    classes = torch.arange(outputs.shape[-1], device=outputs.device)
    answered = outputs.argmax(-1)[..., None] == classes
    right = y.expand(outputs.shape[:-1])[..., None] == classes
    twice_hits = 2 * (answered & right).sum(-2)
    both = answered.sum(-2) + right.sum(-2)  # 2 TP + FP + FN
    f1 = twice_hits.to(outputs.dtype) / both.clamp_min(1)
    return f1.sum(-1) / (both > 0).sum(-1)


KIND = Metric(
    name="macro_f1",
    doc="F1, 2 TP / (2 TP + FP + FN), of each class, and their mean.",
    scores=macro_f1,
    classification=True,
    maximize=True,
    possible=SHARE,
    diverged=0.0,
    percent=True,
)
