"""Adaptation curves: the score of every task after 0…K inner steps, from one pass."""

from typing import NamedTuple

import torch
from torch import Tensor

from metaopt import seeding
from metaopt.algorithms.inner import InnerState, for_tasks, inner_update
from metaopt.algorithms.learner import Learner
from metaopt.evaluation.bank import BankSpec
from metaopt.models.base import Params
from metaopt.tasks.base import Episodes, Examples, Tasks

DIVERGED_MSE = 1e6
"""Score of a regression task that diverged, and ceiling of all: a mean stays finite."""

_BANK = 7_000_001  # salt: bank tasks are not the tasks any trial trains on


class Curves(NamedTuple):
    """Scores (H, T, steps + 1), and which tasks diverged (H, T, steps + 1)."""

    scores: Tensor
    diverged: Tensor


def draw(
    tasks: Tasks, bank: BankSpec, device: str | torch.device, start: int = 0, count: int = 2**62
) -> Episodes:
    """Return `count` of the bank's episodes from task `start` on, by default all; axis T."""
    index = torch.arange(start, min(bank.tasks, start + count), device=device)
    keys = seeding.fold_in(seeding.fold_in(torch.full_like(index, bank.seed), _BANK), index)
    return tasks.sample(bank.split, keys, bank.k_shot, bank.q_query)


def adaptation_curves(
    learner: Learner,
    phi: Tensor,
    episodes: Episodes,
    *,
    inner_lr: Tensor,
    steps: int,
    transductive: bool,
    state: InnerState | None = None,
) -> Curves:
    """Return every lane's scores on every task at steps 0…`steps`; no graph is kept.

    A task whose scores or loss stop being finite counts as diverged from there on; its score is
    0 (accuracy) or `DIVERGED_MSE`, so that no NaN leaves here.

    Args:
        phi: Meta-parameters (H, P).
        episodes: The bank's tasks, leading axis T.
        inner_lr: α of each lane (H,).
        steps: Largest number of inner steps.
        transductive: See `BankSpec`.
        state: Inner Adam's memory, v with leading axis H, or None for SGD; it is not changed.
    """
    count = episodes.support.y.shape[0]
    theta = for_tasks(learner.layout.unflatten(phi.detach()), count)
    if state is not None:
        state = InnerState(for_tasks(state.v, count), state.steps[:, None])
    columns = [_scores(learner, theta, episodes, transductive)]
    for _ in range(steps):
        theta, state = _step(learner, theta, episodes.support, inner_lr, state)
        columns.append(_scores(learner, theta, episodes, transductive))
    return _finite(torch.stack(columns, dim=-1), learner.classification)


def adapt(
    learner: Learner,
    phi: Tensor,
    support: Examples,
    *,
    inner_lr: Tensor,
    steps: int,
    state: InnerState | None = None,
) -> Params:
    """Return every lane's weights after `steps` inner steps on every task, without scoring any.

    The arguments are those of `adaptation_curves`; leading axes of the weights are (H, T).
    """
    count = support.y.shape[0]
    theta = for_tasks(learner.layout.unflatten(phi.detach()), count)
    if state is not None:
        state = InnerState(for_tasks(state.v, count), state.steps[:, None])
    for _ in range(steps):
        theta, state = _step(learner, theta, support, inner_lr, state)
    return theta


def _step(
    learner: Learner, theta: Params, support: Examples, inner_lr: Tensor, state: InnerState | None
) -> tuple[Params, InnerState | None]:
    theta = {name: p.detach().requires_grad_() for name, p in theta.items()}
    loss = learner.loss(theta, support).sum()
    gradients = torch.autograd.grad(loss, [theta[name] for name in learner.adapted])
    gradient = dict(zip(learner.adapted, gradients, strict=True))
    with torch.no_grad():
        return inner_update(theta, gradient, inner_lr[:, None], state)


@torch.no_grad()
def _scores(learner: Learner, theta: Params, episodes: Episodes, transductive: bool) -> Tensor:
    scores = learner.scores(theta, episodes.support, episodes.query, transductive=transductive)
    for p in theta.values():
        scores = torch.where(p.isfinite().flatten(2).all(-1), scores, torch.nan)
    return scores


def _finite(scores: Tensor, classification: bool) -> Curves:
    bad = ~scores.isfinite() | (scores >= DIVERGED_MSE)
    diverged = bad.cumsum(-1) > 0
    worst = 0.0 if classification else DIVERGED_MSE
    return Curves(scores.masked_fill(diverged, worst), diverged)
