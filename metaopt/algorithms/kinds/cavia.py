"""CAVIA: a task moves a few context parameters, inputs beside its own, and no weight."""

from typing import TYPE_CHECKING

from metaopt.algorithms.algorithm import ALL_TARGETS, About, Algorithm, Values
from metaopt.algorithms.shared import (
    INNER_STEPS,
    ORDER,
    OUTER_LR,
    OUTER_STEP,
    draw_episodes,
    moments,
    through_inner_steps,
)
from metaopt.metaparams import TEST_STEPS, MetaParam

if TYPE_CHECKING:
    from metaopt.algorithms.learner import Learner

_PARAMS = (
    MetaParam(
        "inner_lr", "float", 1.0, "1", "Step size α of the context parameters.",
        "CAVIA 1.0 (sinusoid and mini-ImageNet)", low=0.01, high=10.0, log=True, minimum=1e-12,
        maximum=1e3, searched=True,
    ),
    INNER_STEPS,
    OUTER_LR,
    TEST_STEPS,
    MetaParam(
        "context", "int", 5, "1",
        "Context parameters: inputs (channels of images) beside those of the tasks.",
        "CAVIA: 5 (sinusoid), 100 (mini-ImageNet, by FiLM)", low=2, high=50, log=True,
        minimum=1, maximum=1000, lane=False,
    ),
    *ORDER,
    *OUTER_STEP,
)  # fmt: skip


def _learner(learner: "Learner", options: Values) -> "Learner":
    from metaopt.algorithms.learners.context import Context

    return Context.of(learner, size=int(options["context"]))


KIND = Algorithm(
    name="cavia",
    doc="Weights that a few inputs of a task's own, moved by gradient steps, fit to it.",
    about=About(
        rule="c_0 = 0,   c_{j+1} = c_j − α ∇_c L(f([x, c_j]); support)\n"
        "g = ∇_φ (1/T) Σ_τ L(f([x, c_K]); query_τ)",
        source="Zintgraf et al. 2019, arXiv:1810.03642, section 3",
        cost="Inner steps move a handful of numbers; they still go through the model and back.",
        when="Tasks that differ in few respects, as a curve's amplitude and phase. Weak on "
        "`conv4`, whose batch norm takes constant channels out again.",
    ),
    params=_PARAMS,
    outer_rate="outer_lr",
    draw=draw_episodes,
    meta_gradient=through_inner_steps,
    moments=moments,
    learner=_learner,
    unrolls={"order": ("second",)},
    of_the_gradient=("order", "inner_graph"),
    more_inputs="context",
    targets=ALL_TARGETS,
)
