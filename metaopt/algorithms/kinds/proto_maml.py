"""Proto-MAML: MAML whose head begins with the means of a task's classes."""

from typing import TYPE_CHECKING

from metaopt.algorithms.algorithm import About, Algorithm, Values
from metaopt.algorithms.shared import (
    THROUGH_INNER_STEPS,
    TRAIN_SHOTS,
    TRAIN_WAYS,
    draw_episodes,
    moments,
    through_inner_steps,
)

if TYPE_CHECKING:
    from metaopt.algorithms.learner import Learner


def _learner(learner: "Learner", options: Values) -> "Learner":
    from metaopt.algorithms.learners.proto_maml import PrototypeHead

    return PrototypeHead.of(learner)


KIND = Algorithm(
    name="proto_maml",
    doc="Weights from which a few gradient steps lead far that begin with a head of prototypes.",
    about=About(
        rule="head: w_k = 2c_k, b_k = −‖c_k‖², c_k as ProtoNet's\n"
        "then MAML's inner steps of all weights, the head among them",
        source="Triantafillou et al. 2020, arXiv:1903.03096, section 3",
        cost="MAML's, and one pass more.",
        when="Classification where MAML is wanted and classes have no order.",
    ),
    params=(*THROUGH_INNER_STEPS, TRAIN_SHOTS, TRAIN_WAYS),
    outer_rate="outer_lr",
    draw=draw_episodes,
    meta_gradient=through_inner_steps,
    moments=moments,
    learner=_learner,
    unrolls={"order": ("second",)},
    of_the_gradient=("order", "inner_graph"),
    passes=1,
    train_shots="train_shots",
    train_ways="train_ways",
    targets=("classes",),
    # Fused, Inductor 2.13 miscompiles the gradient through the head: as conv4 (its record).
    inductor={"max_fusion_size": 1, "epilogue_fusion": False},
)
