"""Reptile: weights that move towards those that each task's own training finds."""

from typing import TYPE_CHECKING, Any

from metaopt.algorithms.algorithm import ALL_TARGETS, About, Algorithm, Moments, Values
from metaopt.algorithms.given import Given, gradient_of_given
from metaopt.metaparams import OUTER, TEST_STEPS, MetaParam

if TYPE_CHECKING:
    from torch import Tensor

    from metaopt.algorithms.drawn import Drawn
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
    MetaParam(
        "outer_optimizer", "choice", "sgd", "",
        "What φ − mean φ̃ is given to; with adam and adamw ε is their rate.",
        "Reptile: SGD; its section 2 names Adam, too", choices=("sgd", "adam", "adamw"),
        lane=False, added=True,
    ),
    *OUTER,
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


@gradient_of_given
def _meta_gradient(given: Given) -> tuple[Any, ...]:
    from metaopt.algorithms.reptile import meta_gradient

    learner, phi, drawn, *_ = given
    return meta_gradient(
        learner, phi, drawn.support, drawn.batches, **given.inner_loop, state=given.state
    )


KIND = Algorithm(
    name="reptile",
    doc="Weights that move towards those that each task's own training finds.",
    about=About(
        rule="φ̃_τ = U^k_τ(φ), k steps of SGD or Adam on mini-batches of task τ\n"
        "φ ← φ + ε (1/T) Σ_τ (φ̃_τ − φ)",
        source="Nichol, Achiam & Schulman 2018, arXiv:1803.02999, Algorithm 2",
        cost="First derivatives alone, no query set, memory that does not grow with k. A "
        "task takes many steps (50 in the paper).",
        when="Long inner loops, large models, modules without second derivatives.",
    ),
    params=_PARAMS,
    outer_rate="epsilon",
    draw=_draw,
    meta_gradient=_meta_gradient,
    moments=lambda options: Moments(
        outer=options["outer_optimizer"] != "sgd", inner=options["inner_optimizer"] == "adam"
    ),
    train_shots="train_shots",
    train_queries=False,
    targets=ALL_TARGETS,
)
