"""FOML: Reptile that moves along the last inner step alone, as first-order MAML does."""

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from metaopt.algorithms.algorithm import About, Values
from metaopt.algorithms.given import Given, gradient_of_given
from metaopt.algorithms.kinds.reptile import KIND as REPTILE
from metaopt.metaparams import MetaParam

if TYPE_CHECKING:
    from torch import Tensor

    from metaopt.algorithms.drawn import Drawn
    from metaopt.tasks.base import Tasks

_DOCS = {
    "epsilon": "Outer step ε: φ ← φ + ε mean(φ^k − φ^(k−1)).",
    "outer_optimizer": "What mean(φ^(k−1) − φ^k) is given to; with adam and adamw ε is their rate.",
}
_PARAMS = (
    *(
        replace(param, doc=_DOCS.get(param.name, param.doc), added=False)
        for param in REPTILE.params
    ),
    MetaParam(
        "tail_shots", "int", 0, "examples",
        "Examples per class, beside train_shots, that the last step alone sees; 0 gives it the "
        "next mini-batch.",
        "supervised-reptile --foml-tail: 5 with 15 training shots", low=1, high=5, minimum=0,
        maximum=4096, lane=False,
    ),
)  # fmt: skip


def _draw(
    tasks: "Tasks", keys: "Tensor", *, k_shot: int, q_query: int, options: Values, step_cap: int
) -> "Drawn":
    from metaopt.algorithms.drawn import Drawn
    from metaopt.algorithms.reptile import mini_batches

    shots = int(options["train_shots"]) or k_shot
    episodes = tasks.sample("train", keys, shots, int(options["tail_shots"]))
    examples = episodes.support.y.shape[keys.dim()]
    batches = mini_batches(keys, examples, int(options["inner_batch"]), step_cap)
    return Drawn(episodes.support, episodes.query, batches)


@gradient_of_given
def _meta_gradient(given: Given) -> tuple[Any, ...]:
    from metaopt.algorithms.foml import meta_gradient

    drawn, tail = given.drawn, given.options["tail_shots"]
    return meta_gradient(
        given.learner,
        given.phi,
        drawn.support,
        drawn.batches,
        **given.inner_loop,
        state=given.state,
        tail=drawn.query if tail else None,
    )


KIND = replace(
    REPTILE,
    name="foml",
    doc="Weights that move along the last step of each task's own training.",
    about=About(
        rule="φ^i_τ the weights after i inner steps\n"
        "φ ← φ + ε (1/T) Σ_τ (φ^k_τ − φ^{k−1}_τ), the last step on a tail, if there is one",
        source="Nichol, Achiam & Schulman 2018, arXiv:1803.02999; openai/supervised-reptile, "
        "`--foml`",
        cost="As Reptile.",
        when="Where Reptile's direction is to be told from first-order MAML's; with "
        "`tail_shots` it is the latter.",
    ),
    params=_PARAMS,
    draw=_draw,
    meta_gradient=_meta_gradient,
    tail_shots="tail_shots",
)
