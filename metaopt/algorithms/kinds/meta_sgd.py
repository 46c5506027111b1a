"""Meta-SGD: MAML whose inner rate is learned, one for each weight."""

from typing import TYPE_CHECKING

from metaopt.algorithms.algorithm import ALL_TARGETS, About, Algorithm, Values
from metaopt.algorithms.shared import (
    INNER_GRAPH,
    INNER_STEPS,
    OUTER_LR,
    OUTER_STEP,
    draw_episodes,
    moments,
    through_inner_steps,
)
from metaopt.metaparams import TEST_STEPS, MetaParam

if TYPE_CHECKING:
    from metaopt.algorithms.learner import Learner

_PARAMS = (
    MetaParam(
        "initial_rate", "float", 0.05, "1",
        "Inner rate of every weight before training; 0 draws one from U[0.005, 0.1].",
        "Meta-SGD draws it from that; learn2learn begins at 1, times its rate", low=5e-3, high=0.5,
        log=True, maximum=1e3, searched=True,
    ),
    INNER_STEPS,
    OUTER_LR,
    TEST_STEPS,
    INNER_GRAPH,
    *OUTER_STEP,
)  # fmt: skip


def _learner(learner: "Learner", options: Values) -> "Learner":
    from metaopt.algorithms.gradients import check_second_derivatives
    from metaopt.algorithms.learners.rates import LearnedRates

    check_second_derivatives(learner.model, "meta_sgd")
    return LearnedRates.of(learner)


KIND = Algorithm(
    name="meta_sgd",
    doc="Weights and a rate for each, by which a few gradient steps lead far.",
    about=About(
        rule="θ' = θ − a ∘ ∇L(θ; support),   g = ∇_{φ, a} (1/T) Σ_τ L(θ'; query_τ)",
        source="Li, Zhou, Chen & Li 2017, arXiv:1707.09835, Algorithm 1",
        cost="MAML's, with twice the numbers to learn and keep.",
        when="Few inner steps and much meta-training; `inner_lr` need not be known. Valid at "
        "the number of steps that it trained with.",
    ),
    params=_PARAMS,
    outer_rate="outer_lr",
    draw=draw_episodes,
    meta_gradient=through_inner_steps,
    moments=moments,
    learner=_learner,
    unrolls={},
    of_the_gradient=("inner_graph",),
    adds=lambda options, around: around.weights,  # a rate of each
    targets=ALL_TARGETS,
)
