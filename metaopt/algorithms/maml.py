"""MAML: the meta-gradient through the inner loop, for all lanes and tasks at once."""

from typing import Any, NamedTuple

import torch
from torch import Tensor

from metaopt.algorithms.inner import for_tasks, inner_update, select
from metaopt.algorithms.learner import Learner
from metaopt.algorithms.loops import repeat, turns
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
    recompute: bool = False,
) -> Params:
    """The weights after each task's own number of gradient steps on its support set.

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
        recompute: Keep θ of each step and not its graph, which the backward pass makes again
            (gradient checkpointing): memory grows by P a step, at the price of taking each
            step twice (docs/performance.md).

    Returns:
        Weights with leading axes B.
    Reference:
        Finn, Abbeel & Levine (2017), arXiv:1703.03400, Algorithm 1 (inner update).
    """
    constants = _Constants(support, inner_lr, inner_steps)
    if first_order:
        times = turns(inner_steps, step_cap)

        def step(i: Tensor, theta: Params, constants: _Constants) -> Params:
            leaves = {name: p.detach().requires_grad_() for name, p in theta.items()}
            moved = _step(learner, leaves, constants, create_graph=False)
            with torch.no_grad():
                return select(i < constants.inner_steps, moved, theta)

        return repeat(step, theta, constants, times, support.y.device)
    for number in range(step_cap):
        moved = (
            _recomputed(learner, theta, constants)
            if recompute
            else _step(learner, theta, constants)
        )
        theta = select(number < inner_steps, moved, theta) if step_cap > 1 else moved
    return theta


class _Constants(NamedTuple):
    support: Examples
    inner_lr: Tensor
    inner_steps: Tensor


def _step(
    learner: Learner, theta: Params, constants: _Constants, *, create_graph: bool = True
) -> Params:
    """Return θ − α ∇L(θ; support)."""
    names = learner.adapted
    loss = learner.loss(theta, constants.support).sum()
    gradients = torch.autograd.grad(loss, [theta[n] for n in names], create_graph=create_graph)
    with torch.set_grad_enabled(create_graph):
        gradient = dict(zip(names, gradients, strict=True))
        return inner_update(theta, gradient, constants.inner_lr, None)[0]


def _recomputed(learner: Learner, theta: Params, constants: _Constants) -> Params:
    """`_step` that keeps θ alone: the backward pass takes the step again."""
    names = list(theta)
    moved = _Recomputed.apply(learner, constants, names, *theta.values())  # type: ignore[no-untyped-call]
    return dict(zip(names, moved, strict=True))


class _Recomputed(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, learner: Learner, constants: _Constants, names: list[str], *theta: Tensor
    ) -> tuple[Tensor, ...]:
        ctx.step = learner, constants, names
        ctx.save_for_backward(*theta)
        with torch.enable_grad():
            leaves = {n: p.detach().requires_grad_() for n, p in zip(names, theta, strict=True)}
            moved = _step(learner, leaves, constants, create_graph=False)
        return tuple(p.detach() for p in moved.values())

    @staticmethod
    def backward(ctx: Any, *gradient: Tensor) -> tuple[Tensor | None, ...]:
        learner, constants, names = ctx.step
        with torch.enable_grad():
            leaves = [p.detach().requires_grad_() for p in ctx.saved_tensors]
            moved = _step(learner, dict(zip(names, leaves, strict=True)), constants)
            before = torch.autograd.grad(list(moved.values()), leaves, gradient)
        return None, None, None, *before


def meta_gradient(
    learner: Learner,
    phi: Tensor,
    episodes: Episodes,
    *,
    inner_lr: Tensor,
    inner_steps: Tensor,
    step_cap: int,
    first_order: bool = False,
    recompute: bool = False,
) -> tuple[Tensor, Tensor]:
    """Each lane's meta-gradient and meta-loss, averaged over its tasks.

    g = ∇_φ (1/T) Σ_τ L(θ_K(φ); query_τ); in first order the derivative of θ_K(φ) is taken as
    the identity, so g = (1/T) Σ_τ ∇L(θ_K; query_τ) and the inner loop keeps no graph.

    Args:
        phi: Meta-parameters (H, P).
        episodes: Leading axes (H, T).
        inner_lr, inner_steps: α and K of each lane (H,).
        step_cap: Largest K.
        first_order: Drop the second derivatives.
        recompute: See `adapt`.

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
        recompute=recompute,
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
