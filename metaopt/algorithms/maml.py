"""MAML: the meta-gradient through the inner loop, for all lanes and tasks at once."""

from typing import Any, NamedTuple

import torch
from torch import Tensor

from metaopt.algorithms.gradients import gradient_of, gradient_through, gradient_where_any
from metaopt.algorithms.inner import select
from metaopt.algorithms.learner import Learner
from metaopt.algorithms.loops import repeat, turns
from metaopt.models.base import Params, being_compiled
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
        return _by_a_loop(learner, theta, constants, turns(inner_steps, step_cap))
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


def _by_a_loop(
    learner: Learner, theta: Params, constants: _Constants, times: Tensor | int
) -> Params:
    """θ after so many steps; only what they move is carried from one to the next."""
    moving = {name: theta[name] for name in learner.adapted}
    still = {name: p.detach() for name, p in theta.items() if name not in moving}
    if being_compiled():  # what goes into a program's loop must not share memory, as views of φ do
        still = {name: p.clone() for name, p in still.items()}

    def step(i: Tensor, before: Params, held: tuple[Params, _Constants]) -> Params:
        still, constants = held
        leaves = {name: p.detach().requires_grad_() for name, p in before.items()}
        moved = _step(learner, still | leaves, constants, create_graph=False)
        with torch.no_grad():
            after = {name: moved[name] for name in before}
            return select(i < constants.inner_steps, after, before)

    device = constants.support.y.device
    return still | repeat(step, moving, (still, constants), times, device)


def _step(
    learner: Learner, theta: Params, constants: _Constants, *, create_graph: bool = True
) -> Params:
    """Return θ − α ∇L(θ; support)."""
    names = learner.adapted
    loss = learner.inner_loss(theta, constants.support).sum()
    gradients = torch.autograd.grad(loss, [theta[n] for n in names], create_graph=create_graph)
    with torch.set_grad_enabled(create_graph):
        gradient = dict(zip(names, gradients, strict=True))
        return learner.update(theta, gradient, constants.inner_lr, None)[0]


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

    g = ∇_φ (1/T) Σ_τ L(θ_K(φ); query_τ); in first order the derivative of θ_K by θ_0 is taken as
    the identity, so g = (1/T) Σ_τ ∇L(θ_K; query_τ) where tasks start from φ itself, and the inner
    loop keeps no graph.

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
    start = {n: p.requires_grad_() for n, p in learner.layout.unflatten(phi.detach()).items()}
    begun = learner.begin(start, episodes.support, episodes.query.y.shape[1])
    theta = adapt(
        learner,
        {name: p.detach() for name, p in begun.items()} if first_order else begun,
        episodes.support,
        inner_lr=inner_lr[:, None],
        inner_steps=inner_steps[:, None],
        step_cap=step_cap,
        first_order=first_order,
        recompute=recompute,
    )
    end = {n: p.requires_grad_() for n, p in theta.items()} if first_order else theta
    loss = learner.loss(end, episodes.query).mean(-1)
    if first_order:
        gradient = gradient_through(begun, start, gradient_where_any(loss, end))
    else:
        gradient = gradient_of(loss, start)
    return learner.layout.flatten(gradient), loss.detach()
