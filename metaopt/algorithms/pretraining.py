"""Pretraining: the gradient of all lanes on the pooled examples of their tasks."""

from typing import cast

import torch
from torch import Tensor

from metaopt.algorithms.gradients import gradient_of
from metaopt.algorithms.learners.pretrained import Pretrained
from metaopt.tasks.base import Examples, NumberedClasses, Tasks


def labelled(tasks: Tasks, keys: Tensor, k_shot: int, q_query: int) -> Examples:
    """All examples of the tasks of `keys`, support and query, with their classes of all.

    Returns:
        `x` (*B, N, …), and `y` (*B, N) numbers below `class_count("train")`, or (*B, N, C) numbers
        to predict.
    """
    parts = tasks.sample("train", keys, k_shot, q_query)
    axis = keys.dim()
    x, y = (torch.cat([part[i] for part in parts], dim=axis) for i in (0, 1))
    if tasks.classification:
        numbers = cast(NumberedClasses, tasks).class_numbers("train", keys)
        y = numbers.gather(-1, y)
    return Examples(x, y)


def meta_gradient(learner: Pretrained, phi: Tensor, examples: Examples) -> tuple[Tensor, Tensor]:
    """Each lane's gradient and loss on the examples of its tasks as one batch.

    g = ∇_φ (1/n) Σ_i ℓ(φ; x_i, y_i) over the n examples of all T tasks, so that batch norm takes
    its statistics from all of them.

    Args:
        phi: (H, P).
        examples: As `labelled` returns them, leading axes (H, T).

    Returns:
        Gradient (H, P) and loss (H,), detached.
    """
    pooled = Examples(examples.x.flatten(1, 2), examples.y.flatten(1, 2))
    start = {n: p.requires_grad_() for n, p in learner.layout.unflatten(phi.detach()).items()}
    loss = learner.pretraining_loss(start, pooled)
    return learner.layout.flatten(gradient_of(loss, start)), loss.detach()
