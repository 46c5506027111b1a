"""ANIL: almost no inner loop; a task moves the last layer alone, on features of the body."""

from dataclasses import replace
from typing import TYPE_CHECKING

from metaopt.algorithms.algorithm import About, Values
from metaopt.algorithms.kinds.maml import KIND as MAML

if TYPE_CHECKING:
    from metaopt.algorithms.learner import Learner


def _learner(learner: "Learner", options: Values) -> "Learner":
    from metaopt.algorithms.learners.parts import HeadAlone

    return HeadAlone.of(learner).checked()


KIND = replace(
    MAML,
    name="anil",
    doc="Features on which a few gradient steps of the last layer alone lead far.",
    about=About(
        rule="w_0 = φ_head,   w_{j+1} = w_j − α ∇_w L(w_j, φ_body; support)\n"
        "g = ∇_φ (1/T) Σ_τ L(w_K, φ_body; query_τ)",
        source="Raghu, Raghu, Bengio & Vinyals 2020, arXiv:1909.09157",
        cost="Features are computed once in a meta-iteration; a test holds its arithmetic below "
        "0.4 of MAML's in second order. Likewise at test.",
        when="Deep models and several inner steps, where features can be shared; not where "
        "tasks need other features.",
    ),
    learner=_learner,
)
