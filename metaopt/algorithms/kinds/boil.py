"""BOIL: body only in the inner loop; a task moves every layer but the last."""

from dataclasses import replace
from typing import TYPE_CHECKING

from metaopt.algorithms.algorithm import About, Values
from metaopt.algorithms.kinds.maml import KIND as MAML

if TYPE_CHECKING:
    from metaopt.algorithms.learner import Learner


def _learner(learner: "Learner", options: Values) -> "Learner":
    from metaopt.algorithms.learners.parts import BodyAlone

    return BodyAlone.of(learner).checked()


KIND = replace(
    MAML,
    name="boil",
    doc="Weights from which a few gradient steps of all layers but the last lead far.",
    about=About(
        rule="body steps as MAML's, the last layer stays φ_head in the inner loop\n"
        "g = ∇_φ (1/T) Σ_τ L(θ_K(φ); query_τ)",
        source="Oh, Yoo, Kim & Yun 2021, arXiv:2008.08882",
        cost="As MAML.",
        when="Where tasks differ in what inputs look like more than in what is asked of them.",
    ),
    learner=_learner,
)
