"""Pretraining and fine-tuning: what few-shot learning can do without any meta-learning."""

from typing import TYPE_CHECKING

from metaopt.algorithms.algorithm import About, Algorithm, Moments, Values
from metaopt.algorithms.shared import OUTER_LR, OUTER_STEP
from metaopt.metaparams import MetaParam

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

    from metaopt.algorithms.drawn import Drawn, MetaGradient
    from metaopt.algorithms.inner import InnerState
    from metaopt.algorithms.learner import Learner
    from metaopt.tasks.base import Tasks

FINE_TUNE_STEPS = MetaParam(
    "test_steps", "int", 20, "steps", "Steps on a task's support set, after which it is scored.",
    "Baseline: 100, of mini-batches of 4", low=5, high=50, minimum=1, maximum=200,
)  # fmt: skip
FINE_TUNE_OPTIMIZER = MetaParam(
    "inner_optimizer", "choice", "adam", "", "Optimizer of those steps; adam has β1 = 0.",
    "Baseline: SGD with momentum; adam does not ask how large features are",
    choices=("adam", "sgd"), lane=False,
)  # fmt: skip


def fine_tune_lr(default: float, source: str) -> MetaParam:
    """The rate of the steps on a task's support set."""
    return MetaParam(
        "inner_lr", "float", default, "1", "Step size α of the steps on a task's support set.",
        source, low=1e-3, high=1.0, log=True, minimum=1e-12, maximum=1e3, searched=True,
    )  # fmt: skip


PARAMS = (
    fine_tune_lr(0.01, "Baseline: 0.01"),
    FINE_TUNE_STEPS,
    FINE_TUNE_OPTIMIZER,
    MetaParam(
        "fine_tune", "choice", "fitting", "",
        "What a task moves: the new head, or all; fitting is head for classes, all for numbers.",
        "Baseline: the body is fixed; MAML's pretrained sinusoid network: all",
        choices=("fitting", "head", "all"), lane=False,
    ),
    OUTER_LR,
    *OUTER_STEP,
)  # fmt: skip


def whole(learner: "Learner", options: Values) -> bool:
    """Whether a task moves all of the model."""
    chosen = options["fine_tune"]
    return not learner.classification if chosen == "fitting" else chosen == "all"


def _learner(learner: "Learner", options: Values) -> "Learner":
    from metaopt.algorithms.learners.pretrained import Pretrained

    return Pretrained.of(learner, whole=whole(learner, options)).checked()


def moments(options: Values) -> Moments:
    """Adam's, of pretraining and of fine-tuning."""
    return Moments(
        outer=options["outer_optimizer"] != "sgd", inner=options["inner_optimizer"] == "adam"
    )


def draw(
    tasks: "Tasks", keys: "Tensor", *, k_shot: int, q_query: int, options: Values, step_cap: int
) -> "Drawn":
    """Support and query examples of the tasks together, with their classes of all."""
    from metaopt.algorithms.drawn import Drawn, nothing
    from metaopt.algorithms.pretraining import labelled
    from metaopt.tasks.base import Examples

    examples = labelled(tasks, keys, k_shot, q_query)
    none = Examples(*(part.narrow(keys.dim(), 0, 0) for part in examples))
    return Drawn(examples, none, nothing(keys))


def meta_gradient(
    learner: "Learner",
    phi: "Tensor",
    drawn: "Drawn",
    *,
    numbers: "Mapping[str, Tensor]",
    options: Values,
    step_cap: int,
    state: "InnerState | None",
) -> "MetaGradient":
    """The gradient of all examples as one batch: `metaopt.algorithms.pretraining`."""
    from metaopt.algorithms.drawn import MetaGradient
    from metaopt.algorithms.learners.pretrained import Pretrained
    from metaopt.algorithms.pretraining import meta_gradient

    assert isinstance(learner, Pretrained)
    return MetaGradient(*meta_gradient(learner, phi, drawn.support))


KIND = Algorithm(
    name="pretrain",
    doc="A network that tells all classes of meta-training apart, with a new last layer for a "
    "task: no meta-learning.",
    about=About(
        rule="f, W = argmin Σ_i −log softmax_{y_i}(Wᵀ f(x_i) + b),   y_i of all classes\n"
        "a task: w_0 = 0,   w_{j+1} = w_j − α ∇_w L(wᵀ f(support)),   f fixed\n"
        "numbers: the whole model on all examples pooled, then α ∇L(support) from there",
        source="Chen, Liu, Kira, Wang & Huang 2019, arXiv:1904.04232, section 3 (Baseline); "
        "numbers: Finn et al. 2017, arXiv:1703.03400, section 5.1",
        cost="One pass forward and back over the examples of a meta-batch. A task takes "
        "`test_steps` steps of its last layer, on features that are computed once.",
        when="Beside any meta-learner: what it reaches is not meta-learning's merit. Published "
        "as good as they are or better where test classes are of another domain.",
    ),
    params=PARAMS,
    outer_rate="outer_lr",
    draw=draw,
    meta_gradient=meta_gradient,
    moments=moments,
    learner=_learner,
    numbered_classes=True,
    meta_learns=False,
)
