"""Toy kinds, as somebody else would write them: each uses the door that ours use.

`parabola` tasks, a `quadratic` model and the algorithm `pulled`, whose meta-parameter `pull` is its
own.  None stands in a folder of ours: a test adds one with `TASKS.including(PARABOLA)`.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from metaopt import seeding
from metaopt.algorithms import maml
from metaopt.algorithms.algorithm import Algorithm
from metaopt.algorithms.drawn import Drawn, MetaGradient, nothing
from metaopt.algorithms.inner import InnerState
from metaopt.algorithms.inner_step import gradient_step
from metaopt.algorithms.learner import Learner
from metaopt.errors import InvalidModel, InvalidTasks
from metaopt.metaparams import TEST_STEPS, MetaParam
from metaopt.models.base import Params
from metaopt.models.kind import ModelKind, Size
from metaopt.options import Option, Options
from metaopt.tasks.base import SPLITS, Episodes, Examples, Tasks
from metaopt.tasks.kind import SHOTS, TaskKind


@dataclass(frozen=True)
class Parabola:
    """y = a·x² with x uniform in [−1, 1]; a task is one a, uniform in [0, steepest]."""

    steepest: float = 2.0
    dtype: torch.dtype = torch.float32

    input_shape = (1,)
    outputs = 1
    classification = False

    def sample(self, split: str, keys: Tensor, k_shot: int, q_query: int) -> Episodes:
        keys = seeding.fold_in(keys, SPLITS.index(split))
        u = seeding.uniform(keys, 1 + k_shot + q_query)[..., None].to(self.dtype)
        x = 2 * u[..., 1:, :] - 1
        y = self.steepest * u[..., :1, :] * x**2
        return Episodes(
            Examples(x[..., :k_shot, :], y[..., :k_shot, :]),
            Examples(x[..., k_shot:, :], y[..., k_shot:, :]),
        )


def _parabola(options: Options, device: str, dtype: torch.dtype, path: Path | None) -> Tasks:
    return Parabola(options["steepest"], dtype)


def _not_flat(options: Options) -> None:
    if options["steepest"] == 0:
        raise InvalidTasks("steepest must not be 0: every task would be the same")


PARABOLA = TaskKind(
    name="parabola",
    doc="y = a·x²; one task is one a.",
    options=(
        *SHOTS,
        Option("steepest", "float", 2.0, "Largest a.", minimum=0, maximum=100),
        Option("axis", "choice", "up", choices=("up", "down")),
    ),
    metrics=("mse",),
    make=_parabola,
    input_shape=(1,),
    examples_per_class=50,
    examples="points of a parabola",
    check=_not_flat,
)


@dataclass(frozen=True)
class Quadratic:
    """w·(1, x, x²)."""

    outputs: int = 1

    input_shape = (1,)
    not_adapted: frozenset[str] = frozenset()

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        return {"w": (3, self.outputs)}

    def init(self, keys: Tensor, dtype: torch.dtype) -> Params:
        return {"w": torch.zeros(*keys.shape, 3, self.outputs, dtype=dtype, device=keys.device)}

    def apply(self, params: Params, x: Tensor, *, reference: int | None = None) -> Tensor:
        return torch.cat([torch.ones_like(x), x, x**2], -1) @ params["w"]


def _of_a_number(options: Options, input_shape: tuple[int, ...]) -> None:
    if input_shape != (1,):
        raise InvalidModel(f"model quadratic needs one number, the tasks give {input_shape}")


QUADRATIC = ModelKind(
    name="quadratic",
    doc="w·(1, x, x²).",
    options=(),
    make=lambda options, input_shape, outputs: Quadratic(outputs),
    size=lambda options, input_shape, outputs: Size(3 * outputs, 3 + outputs),
    check=_of_a_number,
)


def _draw(
    tasks: Tasks, keys: Tensor, *, k_shot: int, q_query: int, options: Any, step_cap: int
) -> Drawn:
    episodes = tasks.sample("train", keys, k_shot, q_query)
    return Drawn(episodes.support, episodes.query, nothing(keys))


def _meta_gradient(
    learner: Learner,
    phi: Tensor,
    drawn: Drawn,
    *,
    numbers: dict[str, Tensor],
    options: Any,
    step_cap: int,
    state: InnerState | None,
) -> MetaGradient:
    """First-order MAML whose weights are pulled to zero: g + pull · φ."""
    gradient, loss = maml.meta_gradient(
        learner,
        phi,
        Episodes(drawn.support, drawn.query),
        inner_lr=numbers["inner_lr"],
        inner_steps=numbers["inner_steps"],
        step_cap=step_cap,
        first_order=True,
    )
    return MetaGradient(gradient + numbers["pull"][:, None] * phi, loss)


def _inner_step(
    learner: Learner,
    theta: Params,
    support: Examples,
    *,
    numbers: dict[str, Tensor],
    state: InnerState | None,
    step: int,
) -> tuple[Params, InnerState | None]:
    """A gradient step from weights that were pulled first."""
    kept = 1 - numbers["inner_lr"] * numbers["pull"]
    pulled = {name: p * kept.reshape(-1, 1, *(1,) * (p.dim() - 2)) for name, p in theta.items()}
    return gradient_step(learner, pulled, support, numbers=numbers, state=state, step=step)


def _number(
    name: str, kind: Any, default: float, low: float, high: float, **more: Any
) -> MetaParam:
    return MetaParam(name, kind, default, "1", "Of a toy.", "nowhere", low=low, high=high, **more)


PULLED = Algorithm(
    name="pulled",
    params=(
        _number("inner_lr", "float", 0.1, 1e-3, 1.0, log=True),
        _number("inner_steps", "int", 1, 1, 5, minimum=1, maximum=20),
        _number("outer_rate", "float", 0.1, 1e-2, 1.0),
        _number("pull", "float", 0.0, 0.0, 0.5),
        TEST_STEPS,
        _number("meta_batch", "int", 4, 2, 8, minimum=1, lane=False),
    ),
    outer_rate="outer_rate",
    draw=_draw,
    meta_gradient=_meta_gradient,
    inner_step=_inner_step,
)
