"""Inner optimizers: one step on the weights of every lane and task."""

from typing import NamedTuple

import torch
from torch import Tensor

from metaopt.models.base import Params

BETA2, ADAM_EPSILON = 0.999, 1e-8


class InnerState(NamedTuple):
    """What Adam remembers: second moment `v` of each parameter and `steps` taken (*B, 1)."""

    v: Params
    steps: Tensor


def for_tasks(params: Params, tasks: int) -> Params:
    """Return views of parameters (H, …) as (H, T, …): all tasks start from the same weights."""
    return {name: p[:, None].expand(-1, tasks, *p.shape[1:]) for name, p in params.items()}


def along(number: Tensor, value: Tensor) -> Tensor:
    """Return `number` (*B,) with axes appended, so that it broadcasts with `value` (*B, …)."""
    return number.reshape(*number.shape, *(1,) * (value.dim() - number.dim()))


def inner_update(
    theta: Params, gradient: Params, inner_lr: Tensor, state: InnerState | None
) -> tuple[Params, InnerState | None]:
    """Return weights and optimizer state after one step; SGD where there is no state.

    SGD: θ − α g.  Adam with β1 = 0: v ← β2 v + (1 − β2) g², θ − α g √(1 − β2^t) / (√v + ε).

    Args:
        theta: Weights with leading axes B.
        gradient: Of the parameters to move; the others stay.
        inner_lr: α (*B,), or of fewer or shorter axes that broadcast with B.
        state: Adam's memory, or None for SGD.
    Reference:
        Nichol, Achiam & Schulman (2018), arXiv:1803.02999, section 6: β1 = 0, since momentum
        would couple the mini-batches.
    """
    if state is None:
        moved = {
            # One operation, and one in its derivative: θ − α g costs two of each.
            name: torch.addcmul(theta[name], along(inner_lr, g), g, value=-1)
            for name, g in gradient.items()
        }
        return theta | moved, None
    steps = state.steps + 1
    rate = inner_lr * torch.sqrt(1 - BETA2 ** steps[..., 0])
    v = {name: BETA2 * state.v[name] + (1 - BETA2) * g.square() for name, g in gradient.items()}
    moved = {
        name: theta[name] - along(rate, g) * g / (v[name].sqrt() + ADAM_EPSILON)
        for name, g in gradient.items()
    }
    return theta | moved, InnerState(state.v | v, steps)


def select(active: Tensor, after: Params, before: Params) -> Params:
    """Return `after` where `active` (*B,) holds, else `before`."""
    return {
        name: value
        if value is before[name]
        else torch.where(along(active, value), value, before[name])
        for name, value in after.items()
    }
