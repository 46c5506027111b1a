"""Reptile: move towards the weights that each task's inner optimizer finds."""

import math
from typing import NamedTuple

import torch
from torch import Tensor

from metaopt import seeding
from metaopt.algorithms.inner import InnerState, for_tasks, inner_update, select
from metaopt.algorithms.learner import Learner
from metaopt.algorithms.loops import repeat, turns
from metaopt.models.base import Params
from metaopt.tasks.base import Examples

_ORDER = 101  # salt of the mini-batch order; below are the salts of the tasks themselves


def mini_batches(keys: Tensor, examples: int, batch: int, steps: int) -> Tensor:
    """Return which examples each inner step sees: (*B,) -> (*B, steps, batch).

    Batches are cut from one reshuffled order after the other, without replacement in each, so
    one batch may hold the end of an order and the beginning of the next, as in the authors' code.

    Args:
        keys: int64 (*B,).
        examples: Number of examples S.
        batch: Examples in a batch; 0 or more than S takes all S.
        steps: Number of batches.
    """
    batch = examples if batch == 0 else min(batch, examples)
    cycles = math.ceil(steps * batch / examples)
    orders = [
        seeding.permutation(seeding.fold_in(keys, _ORDER + cycle), examples)
        for cycle in range(cycles)
    ]
    return torch.cat(orders, dim=-1)[..., : steps * batch].reshape(*keys.shape, steps, batch)


def meta_gradient(
    learner: Learner,
    phi: Tensor,
    support: Examples,
    batches: Tensor,
    *,
    inner_lr: Tensor,
    inner_steps: Tensor,
    step_cap: int,
    state: InnerState | None = None,
) -> tuple[Tensor, Tensor, InnerState | None]:
    """Return φ − mean φ̃ for each lane, so that SGD with rate ε is Reptile's outer step.

    Every weight moves, also those that an evaluation does not adapt (norm weights with
    `adapt_norm` false): what the inner loop leaves alone, Reptile could never learn.

    φ̃_τ = U^k_τ(φ) after k inner optimizer steps on mini-batches of task τ, and
    φ ← φ + ε (1/T) Σ_τ (φ̃_τ − φ).  With T = 1 that is the serial version.

    Args:
        phi: Meta-parameters (H, P).
        support: The tasks' training examples, leading axes (H, T); there is no query split.
        batches: Example indices (H, T, step_cap, batch).
        inner_lr, inner_steps: α and k of each lane (H,).
        step_cap: Largest k.
        state: Adam's memory: v with leading axis H, steps (H, 1), or None for SGD.  It lives on
            from task to task, as in the authors' code; tasks of one batch start from the same
            v, and its mean over them goes on (there they run one after the other).

    Returns:
        Gradient (H, P), mean loss of the last inner step (H,), and the new state.
    Reference:
        Nichol, Achiam & Schulman (2018), arXiv:1803.02999, Algorithm 2 and equation 5.
    """
    begun = begin(learner, phi, support.y.shape[1], state)
    end = inner_loop(
        learner,
        begun,
        support,
        batches,
        inner_lr=inner_lr,
        inner_steps=inner_steps,
        step_cap=step_cap,
    )
    mean = learner.layout.flatten({name: p.mean(1) for name, p in end.theta.items()})
    return phi - mean, end.loss.mean(1), mean_state(end.state or None)


class Inner(NamedTuple):
    """Where the inner loop of each task is: weights, Adam's memory, loss before the last step."""

    theta: Params
    state: InnerState | tuple[()]  # nothing for SGD
    loss: Tensor


def begin(learner: Learner, phi: Tensor, tasks: int, state: InnerState | None) -> Inner:
    """All tasks at φ (H, P), with the lanes' memory; leading axes (H, T)."""
    theta = for_tasks(learner.layout.unflatten(phi.detach()), tasks)
    if state is not None:
        state = InnerState(for_tasks(state.v, tasks), state.steps[:, None].expand(-1, tasks, -1))
    loss = torch.zeros(phi.shape[0], tasks, dtype=phi.dtype, device=phi.device)
    return Inner(theta, state or (), loss)


def inner_loop(
    learner: Learner,
    begun: Inner,
    support: Examples,
    batches: Tensor,
    *,
    inner_lr: Tensor,
    inner_steps: Tensor,
    step_cap: int,
) -> Inner:
    """Every task after its lane's steps on its mini-batches; the arguments of `meta_gradient`."""

    def step(i: Tensor, before: Inner, constants: _Constants) -> Inner:
        batch = take(constants.support, constants.batches.index_select(2, i[None])[:, :, 0])
        moved = inner_step(learner, before, batch, constants.inner_lr)
        active = i < constants.inner_steps[:, None]
        return Inner(
            select(active, moved.theta, before.theta),
            _select_state(active, moved.state or None, before.state or None) or (),
            torch.where(active, moved.loss, before.loss),
        )

    constants = _Constants(support, batches, inner_lr, inner_steps)
    return repeat(step, begun, constants, turns(inner_steps, step_cap), support.y.device)


def inner_step(learner: Learner, before: Inner, batch: Examples, inner_lr: Tensor) -> Inner:
    """Every task after a step on a mini-batch (H, T, b, …), which moves every weight."""
    gradient, loss = _gradient(learner, before.theta, batch)
    theta, state = inner_update(before.theta, gradient, inner_lr[:, None], before.state or None)
    return Inner(theta, state or (), loss)


class _Constants(NamedTuple):
    support: Examples
    batches: Tensor
    inner_lr: Tensor
    inner_steps: Tensor


def mean_state(state: InnerState | None) -> InnerState | None:
    """The mean over tasks of Adam's memory, which goes on."""
    if state is None:
        return None
    return InnerState({name: v.mean(1) for name, v in state.v.items()}, state.steps[:, 0])


def _select_state(
    active: Tensor, after: InnerState | None, before: InnerState | None
) -> InnerState | None:
    if after is None or before is None:
        return None
    taken = torch.where(active[..., None], after.steps, before.steps)
    return InnerState(select(active, after.v, before.v), taken)


def take(examples: Examples, index: Tensor) -> Examples:
    """The examples at `index` (*B, b) of examples with leading axes B."""
    axis = index.dim() - 1
    shaped = index.reshape(*index.shape, *(1,) * (examples.x.dim() - index.dim()))
    y_index = index.reshape(*index.shape, *(1,) * (examples.y.dim() - index.dim()))
    return Examples(
        torch.take_along_dim(examples.x, shaped, dim=axis),
        torch.take_along_dim(examples.y, y_index, dim=axis),
    )


def _gradient(learner: Learner, theta: Params, batch: Examples) -> tuple[Params, Tensor]:
    theta = {name: p.detach().requires_grad_() for name, p in theta.items()}
    loss = learner.loss(theta, batch)
    gradients = torch.autograd.grad(loss.sum(), list(theta.values()))
    return dict(zip(theta, gradients, strict=True)), loss.detach()
