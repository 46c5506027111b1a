"""First-order tails: of what Reptile's inner loop goes, only the last step counts."""

import torch
from torch import Tensor

from metaopt.algorithms.inner import InnerState
from metaopt.algorithms.learner import Learner
from metaopt.algorithms.reptile import begin, inner_loop, inner_step, mean_state, take
from metaopt.tasks.base import Examples


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
    tail: Examples | None = None,
) -> tuple[Tensor, Tensor, InnerState | None]:
    """Return mean(φ^(k−1) − φ^k) for each lane, so that SGD with rate ε is FOML's outer step.

    φ^i_τ are the weights after i inner optimizer steps on task τ, and
    φ ← φ + ε (1/T) Σ_τ (φ^k_τ − φ^(k−1)_τ).  With inner SGD that is first-order MAML, times α, of
    k − 1 inner steps and the last mini-batch as query set; with a tail its examples are those of no
    other step.

    Args:
        tail: On which every lane's last step is taken; None takes its k-th mini-batch.

    Others as `metaopt.algorithms.reptile.meta_gradient`, and so the result.

    Reference:
        Nichol, Achiam & Schulman (2018), arXiv:1803.02999 (first-order MAML with a shared or a
        separate tail); `FOML` and its `tail_shots` in github.com/openai/supervised-reptile, where
        the tail is taken out of the training examples.
    """
    before = inner_loop(
        learner,
        begin(learner, phi, support.y.shape[1], state),
        support,
        batches,
        inner_lr=inner_lr,
        inner_steps=inner_steps - 1,
        step_cap=step_cap,
    )
    last = tail or take(support, _at(batches, inner_steps - 1))
    after = inner_step(learner, before, last, inner_lr)
    moved = {name: (before.theta[name] - p).mean(1) for name, p in after.theta.items()}
    return learner.layout.flatten(moved), after.loss.mean(1), mean_state(after.state or None)


def _at(batches: Tensor, step: Tensor) -> Tensor:
    """The mini-batch (H, T, b) of step (H,) of each lane."""
    index = step[:, None, None, None].expand(-1, *batches.shape[1:2], 1, batches.shape[3])
    return torch.take_along_dim(batches, index, dim=2)[:, :, 0]
