"""MAML: the meta-gradient through the inner loop, for all lanes and tasks at once."""

import torch
from torch import Tensor

from metaopt.algorithms.learner import Learner
from metaopt.tasks.base import Episodes, Examples


def adapt(
    learner: Learner,
    theta: Tensor,
    support: Examples,
    *,
    inner_lr: Tensor,
    inner_steps: Tensor,
    step_cap: int,
    first_order: bool = False,
) -> Tensor:
    """Return the weights after each task's own number of gradient steps on its support set.

    One step is θ ← θ − α ∇L(θ; support), on the same support set each time.  All lanes take
    `step_cap` steps in one program; a step past a lane's own number changes nothing.

    Args:
        learner: Model and loss.
        theta: Weights (*B, P); the result can be differentiated back to them unless
            `first_order`.
        support: Examples with leading axes B.
        inner_lr: α, broadcasting with `theta`.
        inner_steps: K, whole numbers broadcasting with `theta`.
        step_cap: Largest K.
        first_order: Treat ∇L as a constant and keep no graph.

    Returns:
        (*B, P).
    Reference:
        Finn, Abbeel & Levine (2017), arXiv:1703.03400, Algorithm 1 (inner update).
    """
    for step in range(step_cap):
        if not theta.requires_grad:
            theta = theta.requires_grad_()
        loss = learner.loss(theta, support).sum()
        (gradient,) = torch.autograd.grad(loss, theta, create_graph=not first_order)
        gradient = learner.inner_gradient(gradient)
        # One operation, and one in its derivative: θ − α g costs two of each on (H, T, P).
        moved = torch.addcmul(theta, inner_lr, gradient, value=-1)
        theta = torch.where(step < inner_steps, moved, theta) if step_cap > 1 else moved
        theta = theta.detach() if first_order else theta
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
    tasks = episodes.query.y.shape[1]
    phi = phi.detach().requires_grad_(not first_order)
    theta = adapt(
        learner,
        phi[:, None, :].expand(-1, tasks, -1),
        episodes.support,
        inner_lr=inner_lr[:, None, None],
        inner_steps=inner_steps[:, None, None],
        step_cap=step_cap,
        first_order=first_order,
    )
    source = theta.requires_grad_() if first_order else phi
    loss = learner.loss(theta, episodes.query).mean(-1)
    (gradient,) = torch.autograd.grad(loss.sum(), source)
    # In first order each task's own gradient already carries the 1/T of the mean.
    return (gradient.sum(1) if first_order else gradient), loss.detach()
