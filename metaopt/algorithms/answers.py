"""Meta-gradients of learners that answer a task from its support set without an inner loop."""

from torch import Tensor

from metaopt.algorithms.gradients import gradient_of
from metaopt.algorithms.learner import Learner
from metaopt.tasks.base import Episodes


def meta_gradient(learner: Learner, phi: Tensor, episodes: Episodes) -> tuple[Tensor, Tensor]:
    """Each lane's gradient and loss, averaged over its tasks: g = ∇_φ (1/T) Σ_τ L(query_τ).

    Batch norm takes its statistics from the query examples as an evaluation that is transductive
    does (`Learner.answers`).

    Args:
        phi: Meta-parameters (H, P).
        episodes: Leading axes (H, T).

    Returns:
        Gradient (H, P) and loss (H,), detached.
    """
    start = {n: p.requires_grad_() for n, p in learner.layout.unflatten(phi.detach()).items()}
    support, query = episodes
    theta = learner.begin(start, support, query.y.shape[1])
    loss = learner.loss_of_answers(theta, support, query).mean(-1)
    return learner.layout.flatten(gradient_of(loss, start)), loss.detach()
