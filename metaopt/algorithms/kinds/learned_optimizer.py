"""Learned optimizer: a small network that makes the steps, learned by gradient descent itself."""

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from metaopt.algorithms.algorithm import About, Algorithm, Around, Values
from metaopt.algorithms.given import Given, gradient_of_given
from metaopt.algorithms.shared import OUTER_LR, OUTER_STEP, dense, draw_episodes, moments
from metaopt.metaparams import TEST_STEPS, MetaParam

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

    from metaopt.algorithms.inner import InnerState
    from metaopt.algorithms.learner import Learner
    from metaopt.models.base import Params
    from metaopt.tasks.base import Examples

_PARAMS = (
    MetaParam(
        "inner_steps", "int", 20, "steps", "Steps K of the learned optimizer in training.",
        "L2L: 100, cut at 20", low=5, high=40, log=True, minimum=1, maximum=1000, searched=True,
    ),
    MetaParam(
        "update_scale", "float", 0.01, "1", "Factor s of the network's outputs: θ ← θ + s · step.",
        "L2L code: 0.01", low=1e-3, high=1.0, log=True, minimum=1e-12, maximum=1e3, searched=True,
    ),
    replace(OUTER_LR, source="L2L code: Adam 1e-2 by default, 1e-3 in its training"),
    TEST_STEPS,
    MetaParam(
        "unroll", "int", 20, "steps", "Most steps that are differentiated through together.",
        "L2L: 20", low=5, high=20, minimum=1, maximum=1000, lane=False,
    ),
    MetaParam(
        "network", "choice", "lstm", "",
        "What turns a weight's gradient into its step: LSTM layers with a memory, or a plain "
        "network.",
        "L2L: LSTM; Metz et al. 2019, arXiv:1810.10180: a plain one", choices=("lstm", "mlp"),
        lane=False,
    ),
    MetaParam(
        "hidden", "int", 20, "1", "Units of each of its layers.", "L2L: 20", low=8, high=40,
        minimum=1, maximum=1024, lane=False,
    ),
    MetaParam(
        "layers", "int", 2, "layers", "Its layers, but for the last affine one.", "L2L: 2", low=1,
        high=3, minimum=1, maximum=16, lane=False,
    ),
    MetaParam(
        "start", "choice", "learned", "",
        "Whether the weights that tasks start from are learned, or drawn anew for each.",
        "L2L: drawn", choices=("learned", "drawn"), lane=False,
    ),
    MetaParam(
        "loss_on", "choice", "query", "",
        "Whether the loss along the way is on query examples, or on the support examples whose "
        "gradients are followed.",
        "L2L has but one set, the support examples here", choices=("query", "support"), lane=False,
    ),
    MetaParam(
        "order", "choice", "first", "",
        "Whether the meta-gradient differentiates the inner gradients: second does.",
        "L2L: first", choices=("first", "second"), lane=False,
    ),
    *OUTER_STEP,
)  # fmt: skip


def _learner(learner: "Learner", options: Values) -> "Learner":
    from metaopt.algorithms.learners.coordinatewise import Lstm, Memoryless
    from metaopt.algorithms.learners.learned_optimizer import LearnedOptimizer

    network = Lstm if options["network"] == "lstm" else Memoryless
    return LearnedOptimizer.of(
        learner,
        network=network(int(options["layers"]), int(options["hidden"])),
        learned_start=options["start"] == "learned",
    )


@gradient_of_given
def _meta_gradient(given: Given) -> tuple[Any, ...]:
    from metaopt.algorithms.learners.learned_optimizer import LearnedOptimizer, meta_gradient

    assert isinstance(given.learner, LearnedOptimizer)
    return meta_gradient(
        given.learner,
        given.phi,
        given.episodes,
        scale=given.numbers["update_scale"],
        inner_steps=given.numbers["inner_steps"],
        step_cap=given.step_cap,
        unroll=int(given.options["unroll"]),
        second_order=given.options["order"] == "second",
        on_support=given.options["loss_on"] == "support",
    )


def _inner_step(
    learner: "Learner",
    theta: "Params",
    support: "Examples",
    *,
    numbers: "Mapping[str, Tensor]",
    state: "InnerState | None",
    step: int = 0,
) -> "tuple[Params, InnerState | None]":
    from metaopt.algorithms.learners.learned_optimizer import LearnedOptimizer, judged_step

    assert isinstance(learner, LearnedOptimizer)
    return judged_step(learner, theta, support, numbers=numbers, state=state, step=step)


def _adds(options: Values, around: Around) -> float:
    """Its network, and what an LSTM remembers of each weight: h and c of each layer."""
    hidden, layers = float(options["hidden"]), float(options["layers"])
    if options["network"] == "mlp":
        return dense(2, hidden, 1) + (layers - 1) * dense(hidden, hidden)
    network = dense(2 + hidden, 4 * hidden) + (layers - 1) * dense(2 * hidden, 4 * hidden)
    return network + dense(hidden, 1) + 2 * hidden * layers * around.weights


KIND = Algorithm(
    name="learned_optimizer",
    doc="An optimizer that is itself a small network of each weight's gradient, and is learned.",
    about=About(
        rule="g_t = ∇L(θ_t; support),   (step, memory) = m(g_t, memory; ω)\n"
        "θ_{t+1} = θ_t + scale · step\n"
        "ω by the sum of losses, back-propagation cut every `unroll` steps",
        source="Andrychowicz et al. 2016, arXiv:1606.04474",
        cost="m runs for each weight and step: by far the most of all for a model of some size.",
        when="Many alike optimisation problems (`quadratic`, small regressions). For "
        "few-shot tasks take another.",
    ),
    params=_PARAMS,
    outer_rate="outer_lr",
    draw=draw_episodes,
    meta_gradient=_meta_gradient,
    moments=moments,
    learner=_learner,
    inner_step=_inner_step,
    of_the_gradient=("order", "unroll"),
    adds=_adds,
)
