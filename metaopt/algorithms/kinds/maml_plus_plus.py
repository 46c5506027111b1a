"""MAML++: MAML with losses after each inner step, and rates and batch norms of each step."""

from typing import TYPE_CHECKING, Any

from metaopt.algorithms.algorithm import ALL_TARGETS, About, Algorithm, Values
from metaopt.algorithms.given import Given, gradient_of_given
from metaopt.algorithms.shared import ORDER, OUTER_LR, OUTER_STEP, draw_episodes, moments
from metaopt.metaparams import TEST_STEPS, MetaParam

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

    from metaopt.algorithms.inner import InnerState
    from metaopt.algorithms.learner import Learner
    from metaopt.models.base import Params
    from metaopt.tasks.base import Examples

_OF_MAML = {param.name: param for param in (*ORDER, *OUTER_STEP)}
_PARAMS = (
    MetaParam(
        "inner_lr", "float", 0.1, "1", "Step size α of the inner loop, where learned rates start.",
        "MAML++ 0.1", low=1e-3, high=1.0, log=True, minimum=1e-12, maximum=1e3, searched=True,
    ),
    MetaParam(
        "inner_steps", "int", 5, "steps", "Inner gradient steps K in training.", "MAML++ 5",
        low=1, high=5, minimum=1, maximum=50, searched=True,
    ),
    OUTER_LR,
    TEST_STEPS,
    MetaParam(
        "losses", "choice", "each_step", "",
        "Query losses that are learned from: after each inner step, annealed, or after the last.",
        "MAML++ (MSL): each step", choices=("each_step", "last_step"), lane=False,
    ),
    MetaParam(
        "losses_share", "float", 0.1, "1",
        "Share of the training in which losses before the last one count, less and less.",
        "MAML++: 10 of 100 epochs (Omniglot), 15 of 100 (mini-ImageNet)", low=0.0, high=0.5,
        minimum=0.0, maximum=1.0,
    ),
    MetaParam(
        "rates", "choice", "learned", "",
        "Whether each parameter tensor has an α of its own at each step that is learned.",
        "MAML++ (LSLR): learned", choices=("learned", "shared"), lane=False,
    ),
    MetaParam(
        "norm", "choice", "shared", "",
        "Whether batch norm's γ and β are one for all steps, or learned for each and not adapted.",
        "MAML++ (BNWB): per_step; of models that have batch norm", choices=("shared", "per_step"),
        lane=False,
    ),
    MetaParam(
        "table", "int", 5, "steps",
        "Inner steps that have rates and norms of their own; further ones use those of the last.",
        "MAML++: as many as inner steps, 5", low=1, high=10, minimum=1, maximum=50, lane=False,
    ),
    _OF_MAML.pop("order"),
    MetaParam(
        "schedule", "choice", "cosine", "", "Course of the outer rate over the trial.",
        "MAML++: cosine, to 1e-5 (Omniglot); constant for mini-ImageNet",
        choices=("cosine", "constant", "linear"), lane=False,
    ),
    *(param for name, param in _OF_MAML.items() if name not in ("schedule", "inner_graph")),
)  # fmt: skip


def _learner(learner: "Learner", options: Values) -> "Learner":
    from metaopt.algorithms.learners.per_step import PerStep

    return PerStep.of(
        learner,
        rows=int(options["table"]),
        rates=options["rates"] == "learned",
        own_norms=options["norm"] == "per_step",
    ).checked()


@gradient_of_given
def _meta_gradient(given: Given) -> tuple[Any, ...]:
    from metaopt.algorithms.learners.per_step import PerStep, loss_weights, meta_gradient

    assert isinstance(given.learner, PerStep)
    numbers, weights = given.numbers, None
    if given.options["losses"] == "each_step":
        age, horizon, share = (numbers[name] for name in ("age", "horizon", "losses_share"))
        weights = loss_weights(age, horizon, share, numbers["inner_steps"], given.step_cap)
    return meta_gradient(
        given.learner,
        given.phi,
        given.episodes,
        **given.inner_loop,
        first_order=given.options["order"] == "first",
        weights=weights,
    )


def _inner_step(
    learner: "Any",
    theta: "Params",
    support: "Examples",
    *,
    numbers: "Mapping[str, Tensor]",
    state: "InnerState | None",
    step: int,
) -> "tuple[Params, InnerState | None]":
    from metaopt.algorithms.learners.per_step import inner_step

    return inner_step(learner, theta, support, numbers=numbers, state=state, step=step)


KIND = Algorithm(
    name="maml_plus_plus",
    doc="MAML with losses after each inner step, and rates and norms of each step.",
    about=About(
        rule="θ_{j+1, l} = θ_{j, l} − α_{j, l} ∇_{θ_l} L(θ_j; support),   α learned\n"
        "g = ∇ (1/T) Σ_τ Σ_j v_j L(θ_j; query_τ),   v moves to the last step",
        source="Antoniou, Edwards & Storkey 2019, arXiv:1810.09502, section 4",
        cost="MAML's, with a query loss for each step while these count.",
        when="Where MAML of several steps is unstable. Each part is an option, so a search "
        "says what it was worth.",
    ),
    params=_PARAMS,
    outer_rate="outer_lr",
    draw=draw_episodes,
    meta_gradient=_meta_gradient,
    moments=moments,
    learner=_learner,
    inner_step=_inner_step,
    unrolls={},
    of_the_gradient=("order", "losses"),
    # A row for each step, of rates by tensor and of norms by channel: both are few.
    adds=lambda options, around: 2 * float(options["table"]) * around.weights**0.5,
    targets=ALL_TARGETS,
)
