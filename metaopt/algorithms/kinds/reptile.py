"""Reptile: weights that move towards those that each task's own training finds."""

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
        "inner_lr", "float", 0.02, "1", "Step size α of the inner loop.",
        "Reptile sinusoid demo: SGD 0.02; Omniglot: Adam 1e-3", low=1e-3, high=0.3, log=True,
        minimum=1e-12, maximum=1e3, searched=True,
    ),
    MetaParam(
        "inner_steps", "int", 5, "steps", "Inner optimizer steps k in training.",
        "Reptile 5 to 10", low=3, high=12, minimum=1, maximum=200, searched=True,
    ),
    MetaParam(
        "epsilon", "float", 0.1, "1", "Outer step ε: φ ← φ + ε (mean φ̃ − φ).",
        "Reptile 1.0 (Omniglot), 0.1 (sinusoid demo)", low=0.03, high=1.0, log=True,
        minimum=1e-12, maximum=10.0, searched=True,
    ),
    TEST_STEPS,
    MetaParam(
        "meta_batch", "int", 5, "tasks", "Tasks per meta-iteration; 1 is the serial version.",
        "Reptile 5 (Omniglot), 1 (sinusoid demo)", low=1, high=16, log=True, minimum=1,
        maximum=4096, lane=False,
    ),
    MetaParam(
        "inner_optimizer", "choice", "sgd", "", "Inner optimizer; adam has β1 = 0.",
        "Reptile: Adam with β1 = 0, SGD in the sinusoid demo", choices=("sgd", "adam"), lane=False,
    ),
    MetaParam(
        "inner_batch", "int", 10, "examples",
        "Examples per inner mini-batch, cycled without replacement; 0 takes all.",
        "Reptile 10", low=5, high=25, minimum=0, maximum=4096, lane=False,
    ),
    MetaParam(
        "train_shots", "int", 0, "examples",
        "Training examples per class (per task in regression); 0 means the tasks' k_shot.",
        "Reptile 10 where the test has 1", low=1, high=15, minimum=0, maximum=4096, lane=False,
    ),
    MetaParam(
        "schedule", "choice", "linear", "", "Course of ε over the trial.",
        "Reptile: linear to zero", choices=("linear", "constant", "cosine"), lane=False,
    ),
)  # fmt: skip


def _draw(
    tasks: "Tasks", keys: "Tensor", *, k_shot: int, q_query: int, options: Values, step_cap: int
) -> "Drawn":
    from metaopt.algorithms.drawn import Drawn
    from metaopt.algorithms.reptile import mini_batches

    episodes = tasks.sample("train", keys, int(options["train_shots"]) or k_shot, 0)
    examples = episodes.support.y.shape[keys.dim()]
    batches = mini_batches(keys, examples, int(options["inner_batch"]), step_cap)
    return Drawn(episodes.support, episodes.query, batches)


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
    from metaopt.algorithms.reptile import meta_gradient

    gradient = meta_gradient(
        learner,
        phi,
        drawn.support,
        drawn.batches,
        inner_lr=numbers["inner_lr"],
        inner_steps=numbers["inner_steps"],
        step_cap=step_cap,
        state=state,
    )
    return MetaGradient(*gradient)


KIND = Algorithm(
    name="reptile",
    params=_PARAMS,
    outer_rate="epsilon",
    draw=_draw,
    meta_gradient=_meta_gradient,
    moments=lambda options: Moments(inner=options["inner_optimizer"] == "adam"),
    train_shots="train_shots",
)
