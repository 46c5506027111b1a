"""Inner optimizers: one step on the weights of every lane and task."""

from typing import NamedTuple

import torch
from torch import Tensor

BETA2, ADAM_EPSILON = 0.999, 1e-8


class InnerState(NamedTuple):
    """What Adam remembers: second moment `v` (*B, P) and `steps` taken (*B, 1)."""

    v: Tensor
    steps: Tensor


def inner_update(
    theta: Tensor, gradient: Tensor, inner_lr: Tensor, state: InnerState | None
) -> tuple[Tensor, InnerState | None]:
    """Return weights and optimizer state after one step; SGD where there is no state.

    SGD: θ − α g.  Adam with β1 = 0: v ← β2 v + (1 − β2) g², θ − α g √(1 − β2^t) / (√v + ε).

    Args:
        theta, gradient: (*B, P).
        inner_lr: α, broadcasting with θ.
        state: Adam's memory, or None for SGD.
    Reference:
        Nichol, Achiam & Schulman (2018), arXiv:1803.02999, section 6: β1 = 0, since momentum
        would couple the mini-batches.
    """
    if state is None:
        return theta - inner_lr * gradient, None
    v = BETA2 * state.v + (1 - BETA2) * gradient.square()
    steps = state.steps + 1
    correction = torch.sqrt(1 - BETA2**steps)
    moved = theta - inner_lr * correction * gradient / (v.sqrt() + ADAM_EPSILON)
    return moved, InnerState(v, steps)
