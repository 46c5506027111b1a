"""A step of the adaptation that is judged: no graph is kept, and no derivative goes through it."""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from metaopt.algorithms.algorithm import Algorithm
from metaopt.algorithms.inner import InnerState
from metaopt.algorithms.learner import Learner
from metaopt.models.base import Params
from metaopt.tasks.base import Examples

InnerStep = Callable[..., tuple[Params, InnerState | None]]
"""One step on the support sets: see `metaopt.algorithms.algorithm.Algorithm`."""


def inner_step_of(algorithm: Algorithm) -> InnerStep | None:
    """The inner step of an algorithm; None where it has no inner loop."""
    return (algorithm.inner_step or gradient_step) if algorithm.has_inner_loop else None


def gradient_step(
    learner: Learner,
    theta: Params,
    support: Examples,
    *,
    numbers: Mapping[str, Tensor],
    state: InnerState | None,
    step: int = 0,
) -> tuple[Params, InnerState | None]:
    """Return θ after a step along ∇L(θ; support), as the learner takes it (`Learner.update`):
    by α, or of Adam with β1 = 0 where it has a memory.

    Args:
        theta: Weights with leading axes (H, T).
        support: Examples of each task, for all lanes (T, …) or for each (H, T, …).
        numbers: Lane numbers (H, 1) by name; α is `inner_lr`.
        state: Inner Adam's memory, or None for SGD.
        step: Which one it is, from 0; all are alike here.
    """
    theta = {name: p.detach().requires_grad_() for name, p in theta.items()}
    loss = learner.inner_loss(theta, support).sum()
    gradients = torch.autograd.grad(loss, [theta[name] for name in learner.adapted])
    gradient = dict(zip(learner.adapted, gradients, strict=True))
    with torch.no_grad():
        return learner.update(theta, gradient, numbers["inner_lr"], state)
