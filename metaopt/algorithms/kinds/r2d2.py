"""R2D2: an embedding on which the ridge regression of a task's support set answers."""

from typing import TYPE_CHECKING

from metaopt.algorithms.algorithm import About, Algorithm, Values
from metaopt.algorithms.shared import FROM_EMBEDDINGS, draw_episodes, moments, through_answers
from metaopt.metaparams import MetaParam

if TYPE_CHECKING:
    from metaopt.algorithms.learner import Learner

_PARAMS = (
    *FROM_EMBEDDINGS,
    MetaParam(
        "ridge", "float", 1.0, "1",
        "λ of the ridge regression in the beginning; it is meta-learned.",
        "R2-D2's code: 50, of embeddings of thousands of features", low=0.1, high=100.0, log=True,
        minimum=1e-6, maximum=1e6, lane=False,
    ),
    MetaParam(
        "output_scale", "float", 1.0, "1",
        "α of predictions αXW + β in the beginning; both are meta-learned, β from 0 on.",
        "R2-D2's code: 1e-4", low=0.1, high=30.0, log=True, minimum=1e-6, maximum=1e6,
        lane=False,
    ),
)  # fmt: skip


def _learner(learner: "Learner", options: Values) -> "Learner":
    from metaopt.algorithms.learners.ridge import Ridge

    return Ridge.of(learner, ridge=float(options["ridge"]), scale=float(options["output_scale"]))


KIND = Algorithm(
    name="r2d2",
    doc="An embedding on which the ridge regression of a task's support set answers.",
    about=About(
        rule="W = argmin ‖f(X) W − Y‖² + λ‖W‖²,   ŷ = α f(x) W + β\n"
        "f, λ, α and β are learned through W",
        source="Bertinetto, Henriques, Torr & Vedaldi 2019, arXiv:1805.08136, section 3",
        cost="One pass, and a linear system as large as the support set or the embedding, "
        "whichever is smaller.",
        when="Classes or numbers. Published above ProtoNet on CIFAR-FS (79.4 and 72.0 % with "
        "5 shots, Lee et al. 2019, arXiv:1904.03758, Table 2).",
    ),
    params=_PARAMS,
    outer_rate="outer_lr",
    draw=draw_episodes,
    meta_gradient=through_answers,
    moments=moments,
    learner=_learner,
    train_shots="train_shots",
    train_ways="train_ways",
    model_outputs="embedding",
)
