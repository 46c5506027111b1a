"""ProtoNet: an embedding in which a task's classes lie around the means of their examples."""

from typing import TYPE_CHECKING

from metaopt.algorithms.algorithm import About, Algorithm, Values
from metaopt.algorithms.shared import FROM_EMBEDDINGS, draw_episodes, moments, through_answers

if TYPE_CHECKING:
    from metaopt.algorithms.learner import Learner


def _learner(learner: "Learner", options: Values) -> "Learner":
    from metaopt.algorithms.learners.prototypes import Prototypes

    return Prototypes.of(learner)


KIND = Algorithm(
    name="protonet",
    doc="An embedding in which the nearest mean of a class's support examples answers.",
    about=About(
        rule="c_k = the mean of f over the support examples of class k\n"
        "p(k | x) = softmax_k(−‖f(x) − c_k‖²)",
        source="Snell, Swersky & Zemel 2017, arXiv:1703.05175, equations 1 and 2",
        cost="One pass forward and back; the cheapest of all. A task costs one pass over its "
        "support set.",
        when="Classification with few examples: begin here. Train with more ways than you "
        "judge with (`train_ways`).",
    ),
    params=FROM_EMBEDDINGS,
    outer_rate="outer_lr",
    draw=draw_episodes,
    meta_gradient=through_answers,
    moments=moments,
    learner=_learner,
    train_shots="train_shots",
    train_ways="train_ways",
    model_outputs="embedding",
    targets=("classes",),
)
