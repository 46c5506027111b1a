"""Meta-curvature: MAML whose inner gradients go through learned matrices."""

from dataclasses import replace
from typing import TYPE_CHECKING

from metaopt.algorithms.algorithm import About, Values
from metaopt.algorithms.kinds.meta_sgd import KIND as META_SGD
from metaopt.algorithms.shared import INNER_LR

if TYPE_CHECKING:
    from metaopt.algorithms.learner import Learner

# Its matrices are learned, and the rate is not.
_PARAMS = (INNER_LR, *(param for param in META_SGD.params if param.name != "initial_rate"))


def _learner(learner: "Learner", options: Values) -> "Learner":
    from metaopt.algorithms.gradients import check_second_derivatives
    from metaopt.algorithms.learners.curvature import Curved

    check_second_derivatives(learner.model, "meta_curvature")
    return Curved.of(learner)


KIND = replace(
    META_SGD,
    name="meta_curvature",
    doc="Weights and transforms of their gradients, by which a few steps lead far.",
    about=About(
        rule="θ ← θ − α M(∇L(θ; support)),   M(G) = G ×₁ M₁ ×₂ M₂ …, matrices learned with φ",
        source="Park & Oliva 2019, arXiv:1902.03356, section 3",
        cost="MAML's, and small matrix products of each gradient.",
        when="As Meta-SGD, where rates of single weights are too many or too coarse.",
    ),
    params=_PARAMS,
    learner=_learner,
    adds=lambda options, around: 2 * around.weights,  # m² + n² beside m·n, of square weights
)
