"""iMAML: weights near which each task finds its own, by the gradient at what it finds."""

from typing import TYPE_CHECKING, Any

from metaopt.algorithms.algorithm import About, Algorithm, Values
from metaopt.algorithms.given import Given, gradient_of_given
from metaopt.algorithms.shared import INNER_LR, OUTER_LR, OUTER_STEP, draw_episodes, moments
from metaopt.metaparams import TEST_STEPS, MetaParam

if TYPE_CHECKING:
    from metaopt.algorithms.learner import Learner

_PARAMS = (
    INNER_LR,
    MetaParam(
        "inner_steps", "int", 16, "steps", "Gradient steps K on the proximal problem in training.",
        "iMAML 16 (Omniglot); long inner loops cost no memory", low=5, high=25, minimum=1,
        maximum=200, searched=True,
    ),
    MetaParam(
        "proximal", "float", 2.0, "1",
        "λ: inner steps minimise L(θ) + λ/2 ‖θ − φ‖²; they need α < 2 / (λ + curvature of L).",
        "iMAML 2.0 (Omniglot, its code)", low=0.1, high=10.0, log=True, minimum=1e-6, maximum=1e6,
        searched=True,
    ),
    MetaParam(
        "cg_steps", "int", 5, "steps", "Steps of conjugate gradients to the meta-gradient.",
        "iMAML 5", low=2, high=10, minimum=1, maximum=100, lane=False,
    ),
    OUTER_LR,
    TEST_STEPS,
    *OUTER_STEP,
)  # fmt: skip


def _learner(learner: "Learner", options: Values) -> "Learner":
    from metaopt.algorithms.gradients import check_second_derivatives
    from metaopt.algorithms.imaml import Anchored

    check_second_derivatives(learner.model, "imaml")
    return Anchored.of(learner)


@gradient_of_given
def _meta_gradient(given: Given) -> tuple[Any, ...]:
    from metaopt.algorithms.imaml import meta_gradient

    return meta_gradient(
        given.learner,
        given.phi,
        given.episodes,
        **given.inner_loop,
        proximal=given.numbers["proximal"],
        cg_steps=int(given.options["cg_steps"]),
    )


def _inner_step(learner: "Learner", theta: "Any", support: "Any", **how: "Any") -> "Any":
    from metaopt.algorithms.imaml import proximal_step

    return proximal_step(learner, theta, support, **how)


KIND = Algorithm(
    name="imaml",
    doc="Weights near which each task's own solution lies, by the gradient at that solution.",
    about=About(
        rule="θ* = argmin_θ L(θ; support) + λ/2 ‖θ − φ‖²\n"
        "g = (I + H/λ)⁻¹ ∇L(θ*; query), by conjugate gradients",
        source="Rajeswaran, Finn, Kakade & Levine 2019, arXiv:1909.04630, Algorithms 1 and 2",
        cost="Inner steps keep no graph; each of `cg_steps` is a Hessian-vector product. A "
        "task takes many steps.",
        when="Inner loops too long to differentiate through. λ (`proximal`) decides how far "
        "a task may go: search it. Where a loss curves down by about λ the products stop early, "
        "since the inner problem has no minimum there.",
    ),
    params=_PARAMS,
    outer_rate="outer_lr",
    draw=draw_episodes,
    meta_gradient=_meta_gradient,
    moments=moments,
    learner=_learner,
    inner_step=_inner_step,
)
