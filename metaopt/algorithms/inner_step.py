"""A step of the adaptation that is judged: no graph is kept, and no derivative goes through it."""

from collections.abc import Mapping

import torch
from torch import Tensor

from metaopt.algorithms.inner import InnerState, inner_update
from metaopt.algorithms.learner import Learner
from metaopt.models.base import Params
from metaopt.tasks.base import Examples


def gradient_step(
    learner: Learner,
    theta: Params,
    support: Examples,
    *,
    numbers: Mapping[str, Tensor],
    state: InnerState | None,
) -> tuple[Params, InnerState | None]:
    """Return θ − α ∇L(θ; support), or a step of Adam with β1 = 0 where it has a memory.

    Args:
        theta: Weights with leading axes (H, T).
        support: Examples of each task, for all lanes (T, …) or for each (H, T, …).
        numbers: Lane numbers (H, 1) by name; α is `inner_lr`.
        state: Inner Adam's memory, or None for SGD.
    """
    theta = {name: p.detach().requires_grad_() for name, p in theta.items()}
    loss = learner.loss(theta, support).sum()
    gradients = torch.autograd.grad(loss, [theta[name] for name in learner.adapted])
    gradient = dict(zip(learner.adapted, gradients, strict=True))
    with torch.no_grad():
        return inner_update(theta, gradient, numbers["inner_lr"], state)
