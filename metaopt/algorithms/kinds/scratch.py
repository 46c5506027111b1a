"""Training from scratch: a fresh network for each task, and no meta-learning at all."""

from typing import TYPE_CHECKING

from metaopt.algorithms.algorithm import About, Algorithm, Moments, Values
from metaopt.algorithms.kinds.pretrain import (
    FINE_TUNE_OPTIMIZER,
    FINE_TUNE_STEPS,
    fine_tune_lr,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

    from metaopt.algorithms.drawn import Drawn, MetaGradient
    from metaopt.algorithms.inner import InnerState
    from metaopt.algorithms.learner import Learner
    from metaopt.tasks.base import Tasks


def _draw(
    tasks: "Tasks", keys: "Tensor", *, k_shot: int, q_query: int, options: Values, step_cap: int
) -> "Drawn":
    from metaopt.algorithms.drawn import Drawn, nothing
    from metaopt.tasks.base import Examples

    none = Examples(keys[..., None], keys[..., None])  # nothing is learned from it
    return Drawn(none, none, nothing(keys))


def _meta_gradient(
    learner: "Learner",
    phi: "Tensor",
    drawn: "Drawn",
    *,
    numbers: "Mapping[str, Tensor]",
    options: Values,
    step_cap: int,
    state: "InnerState | None",
) -> "MetaGradient":
    from metaopt.algorithms.drawn import MetaGradient

    return MetaGradient(phi.new_zeros(phi.shape), phi.new_zeros(phi.shape[0]))


KIND = Algorithm(
    name="scratch",
    doc="A fresh network that a task's support set alone trains: no meta-learning.",
    about=About(
        rule="θ_0 drawn with the trial,   θ_{j+1} = θ_j − α ∇L(θ_j; support)\n"
        "g = 0: a meta-iteration changes nothing",
        source="the plain control: no other task is seen; rates and steps are ours",
        cost="Nothing to train. A task takes `test_steps` gradient steps.",
        when="Beside any meta-learner: what it reaches, the support set alone has taught.",
    ),
    params=(
        fine_tune_lr(0.01, "Adam on small networks: 1e-3 to 1e-2"),
        FINE_TUNE_STEPS,
        FINE_TUNE_OPTIMIZER,
    ),
    outer_rate=None,
    draw=_draw,
    meta_gradient=_meta_gradient,
    moments=lambda options: Moments(inner=options["inner_optimizer"] == "adam"),
    train_queries=False,
    meta_learns=False,
)
