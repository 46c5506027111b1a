"""MAML: the meta-gradient through the inner loop, for all lanes and tasks at once."""

import torch
from torch import Tensor

from metaopt.algorithms.inner import for_tasks, inner_update, select
from metaopt.algorithms.learner import Learner
from metaopt.models.base import Params
from metaopt.tasks.base import Episodes, Examples


def adapt(
    learner: Learner,
    theta: Params,
    support: Examples,
    *,
    inner_lr: Tensor,
    inner_steps: Tensor,
    step_cap: int,
    first_order: bool = False,
) -> Params:
    """Return the weights after each task's own number of gradient steps on its support set.

    One step is θ ← θ − α ∇L(θ; support), on the same support set each time.  All lanes take
    `step_cap` steps in one program; a step past a lane's own number changes nothing.

    Args:
        learner: Model and loss.
        theta: Weights with leading axes B; the result can be differentiated back to them unless
            `first_order`.
        support: Examples with leading axes B.
        inner_lr: α (*B,), or of axes that broadcast with B.
        inner_steps: K, whole numbers, likewise.
        step_cap: Largest K.
        first_order: Treat ∇L as a constant and keep no graph.

    Returns:
        Weights with leading axes B.
    Reference:
        Finn, Abbeel & Levine (2017), arXiv:1703.03400, Algorithm 1 (inner update).
    """
    for step in range(step_cap):
        theta = {
            name: p if p.requires_grad else p.detach().requires_grad_() for name, p in theta.items()
        }
        loss = learner.loss(theta, support).sum()
        gradients = torch.autograd.grad(
            loss, [theta[name] for name in learner.adapted], create_graph=not first_order
        )
        gradient = dict(zip(learner.adapted, gradients, strict=True))
        moved, _ = inner_update(theta, gradient, inner_lr, None)
        theta = select(step < inner_steps, moved, theta) if step_cap > 1 else moved
        if first_order:
            theta = {name: p.detach() for name, p in theta.items()}
    return theta


def meta_gradient(
    learner: Learner,
    phi: Tensor,
    episodes: Episodes,
    *,
    inner_lr: Tensor,
    inner_steps: Tensor,
    step_cap: int,
    first_order: bool = False,
) -> tuple[Tensor, Tensor]:
    """Return each lane's meta-gradient and meta-loss, averaged over its tasks.

    g = ∇_φ (1/T) Σ_τ L(θ_K(φ); query_τ); in first order the derivative of θ_K(φ) is taken as
    the identity, so g = (1/T) Σ_τ ∇L(θ_K; query_τ) and the inner loop keeps no graph.

    Args:
        phi: Meta-parameters (H, P).
        episodes: Leading axes (H, T).
        inner_lr, inner_steps: α and K of each lane (H,).
        step_cap: Largest K.
        first_order: Drop the second derivatives.

    Returns:
        Gradient (H, P) and loss (H,), detached.
    Reference:
        Finn, Abbeel & Levine (2017), arXiv:1703.03400, Algorithms 1 and 2; first order: 5.2.
    """
    start = {
        name: p.requires_grad_(not first_order)
        for name, p in learner.layout.unflatten(phi.detach()).items()
    }
    theta = adapt(
        learner,
        for_tasks(start, episodes.query.y.shape[1]),
        episodes.support,
        inner_lr=inner_lr[:, None],
        inner_steps=inner_steps[:, None],
        step_cap=step_cap,
        first_order=first_order,
    )
    source = start
    if first_order:
        source = theta = {name: p.requires_grad_() for name, p in theta.items()}
    loss = learner.loss(theta, episodes.query).mean(-1)
    gradients = torch.autograd.grad(loss.sum(), list(source.values()))
    if first_order:  # each task's own gradient already carries the 1/T of the mean
        gradients = tuple(g.sum(1) for g in gradients)
    gradient = learner.layout.flatten(dict(zip(source, gradients, strict=True)))
    return gradient, loss.detach()
