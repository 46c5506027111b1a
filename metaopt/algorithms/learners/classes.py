"""Support examples by their classes, for whoever answers a task from embeddings of them."""

import torch
from torch import Tensor


def members(y: Tensor, classes: int) -> Tensor:
    """Which class each example is of, as a mask (*B, S, C).

    Args:
        y: Class indices (*B, S).
        classes: C.
    """
    # Not `one_hot`, which looks at the largest index on the host.
    return y[..., None] == torch.arange(classes, device=y.device)


def class_means(embedded: Tensor, y: Tensor, classes: int) -> tuple[Tensor, Tensor]:
    """The mean embedding c_k of each class (*B, C, D), and whether it has examples (*B, C).

    Args:
        embedded: (*B, S, D).
        y: Class indices (*B, S), or of fewer leading axes.
        classes: C; the mean of a class without examples is 0.
    """
    member = members(y, classes).to(embedded.dtype)
    sizes = member.sum(-2)
    return member.mT @ embedded / sizes.clamp(min=1)[..., None], sizes > 0


def never(logits: Tensor, seen: Tensor) -> Tensor:
    """The logits (*B, Q, C), so low where a class has no support examples that it has no share.

    Args:
        seen: Whether each class has examples (*B, C), or of fewer leading axes.
    """
    return torch.where(seen[..., None, :], logits, torch.finfo(logits.dtype).min)
