"""Pretraining and fine-tuning with heads that answer by the cosine: Baseline++."""

from dataclasses import replace
from typing import TYPE_CHECKING

from metaopt.algorithms.algorithm import About, Values
from metaopt.algorithms.kinds.pretrain import KIND as PRETRAIN
from metaopt.algorithms.kinds.pretrain import PARAMS, whole
from metaopt.metaparams import MetaParam

if TYPE_CHECKING:
    from metaopt.algorithms.learner import Learner

_SOURCE = "Baseline++'s code: 2, and 10 of more than 200 classes"
_PARAMS = (
    *PARAMS,
    MetaParam(
        "scale", "float", 10.0, "1", "Factor s of the cosines in pretraining.", _SOURCE,
        low=1.0, high=30.0, log=True, minimum=1e-6, maximum=1e6, lane=False,
    ),
    MetaParam(
        "fine_tune_scale", "float", 2.0, "1", "Factor s of the cosines on a task.", _SOURCE,
        low=1.0, high=30.0, log=True, minimum=1e-6, maximum=1e6, lane=False,
    ),
)  # fmt: skip


def _learner(learner: "Learner", options: Values) -> "Learner":
    from metaopt.algorithms.learners.pretrained import CosinePretrained

    scales = {name: float(options[name]) for name in ("scale", "fine_tune_scale")}
    return CosinePretrained.of(learner, whole=whole(learner, options), **scales).checked()


KIND = replace(
    PRETRAIN,
    name="pretrain_cosine",
    doc="A network that tells all classes of meta-training apart by cosines, with a new last "
    "layer for a task: no meta-learning.",
    about=About(
        rule="as pretrain, with logits s · f(x)ᵀ w_k / (‖f(x)‖ ‖w_k‖) in both heads",
        source="Chen, Liu, Kira, Wang & Huang 2019, arXiv:1904.04232, section 3 (Baseline++)",
        cost="As pretrain.",
        when="Beside pretrain, for classes: published above it with shallow networks, which "
        "leave classes scattered.",
    ),
    params=_PARAMS,
    learner=_learner,
    targets=("classes",),
)
