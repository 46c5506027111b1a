"""MAML: weights from which a few gradient steps lead far, by the gradient through those steps."""

from typing import TYPE_CHECKING

from metaopt.algorithms.algorithm import Algorithm, Moments, Values
from metaopt.metaparams import TEST_STEPS, MetaParam

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

    from metaopt.algorithms.drawn import Drawn, MetaGradient
    from metaopt.algorithms.inner import InnerState
    from metaopt.algorithms.learner import Learner
    from metaopt.tasks.base import Tasks

_PARAMS = (
    MetaParam(
        "inner_lr", "float", 0.01, "1", "Step size α of the inner loop.",
        "MAML 0.01 (sinusoid); on mean cross-entropy published values span 1e-3 to 2",
        low=1e-3, high=1.0, log=True, minimum=1e-12, maximum=1e3, searched=True,
    ),
    MetaParam(
        "inner_steps", "int", 1, "steps", "Inner gradient steps K in training.",
        "MAML 1 to 5, MAML++ 5", low=1, high=5, minimum=1, maximum=50, searched=True,
    ),
    MetaParam(
        "outer_lr", "float", 1e-3, "1", "Step size β of the outer optimizer.",
        "MAML Adam 1e-3; learn2learn 3e-3", low=1e-4, high=1e-2, log=True,
        minimum=1e-12, maximum=1e3, searched=True,
    ),
    TEST_STEPS,
    MetaParam(
        "order", "choice", "second", "",
        "Whether the meta-gradient differentiates the inner steps.",
        "MAML §5.2: first order drops the second derivatives", choices=("second", "first"),
        lane=False,
    ),
    MetaParam(
        "inner_graph", "choice", "keep", "",
        "Second order: keep each inner step's graph, or recompute it (less memory, more time).",
        "Chen et al. 2016, arXiv:1604.06174; price in docs/performance.md",
        choices=("keep", "recompute"), lane=False,
    ),
    MetaParam(
        "meta_batch", "int", 25, "tasks", "Tasks per meta-iteration.",
        "MAML 25 (sinusoid), 32 (Omniglot 5-way), 4 (mini-ImageNet)",
        low=4, high=32, log=True, minimum=1, maximum=4096, lane=False,
    ),
    MetaParam(
        "outer_optimizer", "choice", "adam", "", "Optimizer of the outer step.",
        "MAML: Adam", choices=("adam", "sgd"), lane=False,
    ),
    MetaParam(
        "schedule", "choice", "constant", "", "Course of the outer rate over the trial.",
        "MAML constant; MAML++ cosine", choices=("constant", "cosine", "linear"), lane=False,
    ),
    MetaParam(
        "gradient_clamp", "float", 0.0, "1",
        "Bound on each entry of the averaged meta-gradient; 0 is off.",
        "MAML clamps at 10 for mini-ImageNet only", low=0.0, high=10.0, lane=False,
    ),
)  # fmt: skip


def _draw(
    tasks: "Tasks", keys: "Tensor", *, k_shot: int, q_query: int, options: Values, step_cap: int
) -> "Drawn":
    from metaopt.algorithms.drawn import Drawn, nothing

    episodes = tasks.sample("train", keys, k_shot, q_query)
    return Drawn(episodes.support, episodes.query, nothing(keys))


def _meta_gradient(
    learner: "Learner",
    phi: "Tensor",
    drawn: "Drawn",
    *,
    numbers: "Mapping[str, Tensor]",
    options: Values,
    step_cap: int,
    state: "InnerState | None",
) -> "MetaGradient":
    from metaopt.algorithms.drawn import MetaGradient
    from metaopt.algorithms.maml import meta_gradient
    from metaopt.tasks.base import Episodes

    gradient, loss = meta_gradient(
        learner,
        phi,
        Episodes(drawn.support, drawn.query),
        inner_lr=numbers["inner_lr"],
        inner_steps=numbers["inner_steps"],
        step_cap=step_cap,
        first_order=options["order"] == "first",
        recompute=options["inner_graph"] == "recompute",
    )
    return MetaGradient(gradient, loss)


KIND = Algorithm(
    name="maml",
    params=_PARAMS,
    outer_rate="outer_lr",
    draw=_draw,
    meta_gradient=_meta_gradient,
    moments=lambda options: Moments(outer=options["outer_optimizer"] == "adam"),
    # First order runs a loop that ends with the lane that needs the most steps.
    unrolls={"order": ("second",)},
    of_the_gradient=("order", "inner_graph"),
)
