"""Matching networks: an embedding in which a query example attends to support examples like it."""

from typing import TYPE_CHECKING

from metaopt.algorithms.algorithm import About, Algorithm, Values
from metaopt.algorithms.shared import FROM_EMBEDDINGS, draw_episodes, moments, through_answers
from metaopt.metaparams import MetaParam

if TYPE_CHECKING:
    from metaopt.algorithms.learner import Learner

_PARAMS = (
    *FROM_EMBEDDINGS,
    MetaParam(
        "cosine_scale", "float", 10.0, "1",
        "Factor of cosines before their softmax, the inverse of its temperature.",
        "Matching networks: 1, by which a share of 5 classes is at most 0.65; Gidaris & Komodakis "
        "2018, arXiv:1804.09458: 10",
        low=1.0, high=50.0, log=True, minimum=1e-3, maximum=1e3, lane=False,
    ),
    MetaParam(
        "temperature", "choice", "learned", "",
        "Whether the factor stays as it is, or is meta-learned from there on.",
        "Matching networks: fixed; Gidaris & Komodakis 2018: learned",
        choices=("learned", "fixed"), lane=False,
    ),
)  # fmt: skip


def _learner(learner: "Learner", options: Values) -> "Learner":
    from metaopt.algorithms.learners.matching import Matching

    scale, learned = float(options["cosine_scale"]), options["temperature"] == "learned"
    return Matching.of(learner, scale=scale, learned=learned)


KIND = Algorithm(
    name="matching",
    doc="An embedding in which a query example has the classes of the support examples like it.",
    about=About(
        rule="p(k | x) = Σ_{i: y_i = k} softmax_i(s cos(f(x), f(x_i)))",
        source="Vinyals et al. 2016, arXiv:1606.04080, equations 1 and 2, without full-context "
        "embeddings",
        cost="As ProtoNet.",
        when="Classes of several shapes, where their mean is none of them; else ProtoNet.",
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
    targets=("classes",),
)
