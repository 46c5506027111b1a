"""Relational: MAML from weights that a model of how tasks relate has fitted to the task."""

from typing import TYPE_CHECKING

from metaopt.algorithms.algorithm import About, Algorithm, Around, Values
from metaopt.algorithms.shared import (
    THROUGH_INNER_STEPS,
    dense,
    draw_episodes,
    moments,
    through_inner_steps,
)
from metaopt.metaparams import MetaParam

if TYPE_CHECKING:
    from metaopt.algorithms.learner import Learner

_PARAMS = (
    *THROUGH_INNER_STEPS,
    MetaParam(
        "anchors", "int", 8, "tasks", "Anchor tasks M that a task is compared with.",
        "HSML: 4 or 2 clusters in a layer; ARML: 4 to 8 vertices [unverified]", low=2, high=32,
        log=True, minimum=1, maximum=1024, lane=False,
    ),
    MetaParam(
        "task_embedding", "int", 32, "1", "Width of a task's embedding.",
        "ours; MMAML and HSML 40 to 128 [unverified]", low=8, high=128, log=True, minimum=1,
        maximum=4096, lane=False,
    ),
    MetaParam(
        "hidden", "int", 64, "1", "Width of the hidden layers of encoder and modulator.",
        "ours", low=16, high=256, log=True, minimum=1, maximum=4096, lane=False,
    ),
    MetaParam(
        "modulation", "choice", "channel", "",
        "Whether each output channel of a tensor has a scale and a shift, or each tensor.",
        "MMAML modulates channels", choices=("channel", "tensor"), lane=False,
    ),
)  # fmt: skip


def _learner(learner: "Learner", options: Values) -> "Learner":
    from metaopt.algorithms.learners.relations import Relations

    return Relations.of(
        learner,
        anchors=int(options["anchors"]),
        embedding=int(options["task_embedding"]),
        hidden=int(options["hidden"]),
        by_channel=options["modulation"] == "channel",
    )


def _adds(options: Values, around: Around) -> float:
    """The networks that read a task and that modulate weights by it, and the anchors."""
    hidden, task = float(options["hidden"]), float(options["task_embedding"])
    channels = 2 * around.weights**0.5  # of all tensors, about
    encoder = dense(around.inputs + around.width, hidden, hidden, task)
    return encoder + dense(2 * task, hidden, 2 * channels) + 2 * float(options["anchors"]) * task


KIND = Algorithm(
    name="relational",
    doc="MAML from weights scaled and shifted by what a task has in common with learned anchors.",
    about=About(
        rule="q = mean_i h([x_i, y_i]),   z = attention of q over learned anchor tasks\n"
        "θ_0 = φ ⊙ (1 + s(q, z)) + t(q, z), then MAML's steps",
        source="Parts of Vuorio et al. 2019, arXiv:1910.13616, and of Yao et al. 2019, "
        "arXiv:1905.05301 and 2020, arXiv:2001.00745: the docstring of "
        "`metaopt/algorithms/learners/relations.py` says which",
        cost="MAML's, and a small network that reads the support set.",
        when="Tasks of several families in one distribution, for which one start is a compromise.",
    ),
    params=_PARAMS,
    outer_rate="outer_lr",
    draw=draw_episodes,
    meta_gradient=through_inner_steps,
    moments=moments,
    learner=_learner,
    unrolls={"order": ("second",)},
    of_the_gradient=("order", "inner_graph"),
    adds=_adds,
    passes=1,
)
