"""What the records of several algorithms share: parameters and functions.  No torch here."""

from itertools import pairwise
from typing import TYPE_CHECKING, Any

from metaopt.algorithms.algorithm import Moments, Values
from metaopt.algorithms.given import Given, gradient_of_given
from metaopt.metaparams import GRADIENT_CLAMP, OUTER, TEST_STEPS, MetaParam

if TYPE_CHECKING:
    from torch import Tensor

    from metaopt.algorithms.drawn import Drawn
    from metaopt.tasks.base import Tasks

INNER_LR = MetaParam(
    "inner_lr", "float", 0.01, "1", "Step size α of the inner loop.",
    "MAML 0.01 (sinusoid); on mean cross-entropy published values span 1e-3 to 2",
    low=1e-3, high=1.0, log=True, minimum=1e-12, maximum=1e3, searched=True,
)  # fmt: skip
INNER_STEPS = MetaParam(
    "inner_steps", "int", 1, "steps", "Inner gradient steps K in training.",
    "MAML 1 to 5, MAML++ 5", low=1, high=5, minimum=1, maximum=50, searched=True,
)  # fmt: skip
OUTER_LR = MetaParam(
    "outer_lr", "float", 1e-3, "1", "Step size β of the outer optimizer.",
    "MAML Adam 1e-3; learn2learn 3e-3", low=1e-4, high=1e-2, log=True,
    minimum=1e-12, maximum=1e3, searched=True,
)  # fmt: skip
INNER_GRAPH = MetaParam(
    "inner_graph", "choice", "keep", "",
    "Second order: keep each inner step's graph, or recompute it (less memory, more time).",
    "Chen et al. 2016, arXiv:1604.06174; price in docs/performance.md",
    choices=("keep", "recompute"), lane=False,
)  # fmt: skip
ORDER = (
    MetaParam(
        "order", "choice", "second", "",
        "Whether the meta-gradient differentiates the inner steps.",
        "MAML §5.2: first order drops the second derivatives", choices=("second", "first"),
        lane=False,
    ),
    INNER_GRAPH,
)  # fmt: skip
OUTER_STEP = (
    MetaParam(
        "meta_batch", "int", 25, "tasks", "Tasks per meta-iteration.",
        "MAML 25 (sinusoid), 32 (Omniglot 5-way), 4 (mini-ImageNet)",
        low=4, high=32, log=True, minimum=1, maximum=4096, lane=False,
    ),
    MetaParam(
        "outer_optimizer", "choice", "adam", "", "Optimizer of the outer step.",
        "MAML: Adam", choices=("adam", "adamw", "sgd"), lane=False,
    ),
    MetaParam(
        "schedule", "choice", "constant", "", "Course of the outer rate over the trial.",
        "MAML constant; MAML++ cosine", choices=("constant", "cosine", "linear"), lane=False,
    ),
    GRADIENT_CLAMP,
    *OUTER,
)  # fmt: skip
"""Of whoever takes an outer step by Adam or SGD; `OUTER_LR` is its rate."""

EMBEDDING = MetaParam(
    "embedding", "int", 64, "1", "Width of the embedding: outputs of the model.",
    "ProtoNet: 64 (conv4 with max-pooling on 28×28)", low=16, high=256, log=True,
    minimum=1, maximum=4096, lane=False,
)  # fmt: skip
TRAIN_SHOTS = MetaParam(
    "train_shots", "int", 0, "examples",
    "Support examples per class (per task in regression) in training; 0 means the tasks' k_shot.",
    "ProtoNet: as many as at test, or more", low=1, high=15, minimum=0, maximum=4096, lane=False,
)  # fmt: skip
TRAIN_WAYS = MetaParam(
    "train_ways", "int", 0, "classes",
    "Classes of a task in training, of tasks whose classes are drawn; 0 means the tasks' own.",
    "ProtoNet: 60 (Omniglot), 20 or 30 (mini-ImageNet), tested with 5 and 20", low=5, high=60,
    minimum=0, maximum=1000, lane=False,
)  # fmt: skip
FROM_EMBEDDINGS = (OUTER_LR, *OUTER_STEP, EMBEDDING, TRAIN_SHOTS, TRAIN_WAYS)
"""Of whoever answers a task from embeddings of its support set."""

THROUGH_INNER_STEPS = (INNER_LR, INNER_STEPS, OUTER_LR, TEST_STEPS, *ORDER, *OUTER_STEP)
"""Of MAML and its relatives: see `through_inner_steps`."""


def dense(*widths: float) -> float:
    """How many weights a network of affine layers between these widths has."""
    return sum((wide + 1) * after for wide, after in pairwise(widths))


def moments(options: Values) -> Moments:
    """Adam's, where `outer_optimizer` has them."""
    return Moments(outer=options["outer_optimizer"] != "sgd")


def draw_episodes(
    tasks: "Tasks", keys: "Tensor", *, k_shot: int, q_query: int, options: Values, step_cap: int
) -> "Drawn":
    """Support and query sets; `train_shots`, where there is such an option, comes before k_shot."""
    from metaopt.algorithms.drawn import Drawn, nothing

    shots = int(options.get("train_shots", 0)) or k_shot
    episodes = tasks.sample("train", keys, shots, q_query)
    return Drawn(episodes.support, episodes.query, nothing(keys))


@gradient_of_given
def through_inner_steps(given: Given) -> tuple[Any, ...]:
    """The gradient of the query loss after inner steps: `metaopt.algorithms.maml`."""
    from metaopt.algorithms.maml import meta_gradient

    return meta_gradient(
        given.learner,
        given.phi,
        given.episodes,
        **given.inner_loop,
        first_order=given.options.get("order") == "first",
        recompute=given.options["inner_graph"] == "recompute",
    )


@gradient_of_given
def through_answers(given: Given) -> tuple[Any, ...]:
    """The gradient of the query loss of answers without a loop: `metaopt.algorithms.answers`."""
    from metaopt.algorithms.answers import meta_gradient

    return meta_gradient(given.learner, given.phi, given.episodes)
