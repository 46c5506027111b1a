"""CNP: a network that reads a support set and answers queries, without a step at test."""

from typing import TYPE_CHECKING

from metaopt.algorithms.algorithm import About, Algorithm, Around, Values
from metaopt.algorithms.shared import (
    OUTER_LR,
    OUTER_STEP,
    dense,
    draw_episodes,
    moments,
    through_answers,
)
from metaopt.metaparams import MetaParam

if TYPE_CHECKING:
    from metaopt.algorithms.learner import Learner

_PARAMS = (
    OUTER_LR,
    *OUTER_STEP,
    MetaParam(
        "embedding", "int", 64, "1", "Width of an input's embedding: outputs of the model.",
        "As ProtoNet's 64; CNP itself reads inputs as they are", low=16, high=256, log=True,
        minimum=1, maximum=4096, lane=False,
    ),
    MetaParam(
        "representation", "int", 128, "1", "Width of the vector that a support set becomes.",
        "CNP: 128", low=32, high=256, log=True, minimum=1, maximum=4096, lane=False,
    ),
    MetaParam(
        "hidden", "int", 128, "1", "Width of the hidden layers of encoder and decoder.",
        "CNP: 128", low=32, high=256, log=True, minimum=1, maximum=4096, lane=False,
    ),
    MetaParam(
        "encoder_layers", "int", 3, "layers", "Hidden layers of the encoder.",
        "CNP: 3, and a linear one", low=1, high=4, minimum=0, maximum=16, lane=False,
    ),
    MetaParam(
        "decoder_layers", "int", 2, "layers", "Hidden layers of the decoder.",
        "CNP: 2, and a linear one", low=1, high=4, minimum=0, maximum=16, lane=False,
    ),
    MetaParam(
        "loss_on", "choice", "both", "",
        "Whether the loss is on support and query examples, or on the latter alone.",
        "CNP equation 4: both", choices=("both", "query"), lane=False,
    ),
    MetaParam(
        "train_shots", "int", 0, "examples",
        "Support examples per class (per task in regression) in training; 0 means the tasks' "
        "k_shot.",
        "CNP draws their number anew for each batch", low=1, high=15, minimum=0, maximum=4096,
        lane=False,
    ),
)  # fmt: skip


def _learner(learner: "Learner", options: Values) -> "Learner":
    from metaopt.algorithms.learners.neural_process import NeuralProcess

    names = ("embedding", "representation", "hidden", "encoder_layers", "decoder_layers")
    widths = {name: int(options[name]) for name in names}
    return NeuralProcess.of(learner, **widths, loss_on_support=options["loss_on"] == "both")


def _adds(options: Values, around: Around) -> float:
    """The networks that read a support set, and that answer."""
    embedding, read = float(options["embedding"]), float(options["representation"])
    hidden = float(options["hidden"])
    encoder = [hidden] * int(options["encoder_layers"])
    decoder = [hidden] * int(options["decoder_layers"])
    return dense(embedding + around.width, *encoder, read) + dense(
        embedding + read, *decoder, 2 * around.width
    )


KIND = Algorithm(
    name="cnp",
    doc="A network that reads a task's support set as one vector and answers with it, in one pass.",
    about=About(
        rule="r = mean_i h([f(x_i), y_i]),   (μ, σ) = g([f(x), r])\n"
        "g by the Gaussian log-likelihood of numbers, or the cross-entropy of classes",
        source="Garnelo et al. 2018, arXiv:1807.01613, equations 1 to 4",
        cost="One pass; no gradient at test. Its networks h and g come on top of the model.",
        when="Regression with many tasks and answers at once. Underfits where a task has "
        "many examples.",
    ),
    params=_PARAMS,
    outer_rate="outer_lr",
    draw=draw_episodes,
    meta_gradient=through_answers,
    moments=moments,
    learner=_learner,
    train_shots="train_shots",
    needs_support=False,
    model_outputs="embedding",
    adds=_adds,
)
