"""One meta-iteration of all lanes: the pure function that a population repeats.

    keys(seed, age) ──draw──▶ episodes ──▶ meta-gradient ─▶ outer step ─▶ freeze what is not finite
                 many meta-iterations at once   └─────────────── one call ───────────────┘

Nothing here looks at a number on the host, so the device never waits.  Episodes are drawn beside
the meta-iteration, for many of them at once: drawing is a few dozen tiny operations, which would
cost a good part of a meta-iteration if each one called them.
"""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, NamedTuple

import torch
from torch import Tensor

from metaopt import seeding
from metaopt.algorithms import outer
from metaopt.algorithms.drawn import Drawn, MetaGradient
from metaopt.algorithms.inner import InnerState
from metaopt.algorithms.learner import Learner
from metaopt.population.kinds import Kinds
from metaopt.population.lanes import Lanes
from metaopt.population.signature import Signature, meta_batch
from metaopt.tasks.base import Tasks

CHANGED = ("phi", "m", "v", "inner_v", "inner_taken", "age", "alive", "diverged_at")
"""Fields of the lanes that a meta-iteration changes."""

DRAWN_AT_ONCE, DRAWN_BYTES = 32, 64 * 2**20


class Shots(NamedTuple):
    """Support and query examples per class (per task in regression) in training."""

    k_shot: int
    q_query: int


@dataclass(frozen=True)
class Program:
    """What all lanes of a population share.

    Args:
        signature: Of the lanes.
        kinds: Its records.
        shots: Of the tasks.
        tasks: What lanes are judged on.
        learner: Of these tasks.
        training: What lanes train on: the same tasks, maybe with another number of classes.
    """

    signature: Signature
    kinds: Kinds
    shots: Shots
    tasks: Tasks
    learner: Learner
    training: Tasks

    @cached_property
    def training_learner(self) -> Learner:
        """The learner as it trains: as wide as the tasks are that it trains on."""
        if self.training is self.tasks:
            return self.learner
        return replace(self.learner, width=self.training.outputs)

    def option(self, name: str) -> Any:
        """A structural meta-parameter."""
        return self.signature.structure[name]


def draw(program: Program, lanes: Lanes, count: int) -> Drawn:
    """The tasks of each lane's next `count` meta-iterations, functions of seed and age."""
    ages = lanes.age + torch.arange(count, device=lanes.age.device)[:, None]
    keys = task_keys(lanes.seed, ages, meta_batch(program.signature))
    drawn: Drawn = program.kinds.algorithm.draw(
        program.training,
        keys,
        k_shot=program.shots.k_shot,
        q_query=program.shots.q_query,
        options=program.signature.structure,
        step_cap=program.signature.step_cap,
    )
    return drawn.contiguous()


def drawn_at_once(drawn: Drawn) -> int:
    """Return for how many meta-iterations to draw at once: more gain nothing, or take memory.

    Args:
        drawn: What one meta-iteration trains on.
    """
    tensors = (*drawn.support, *drawn.query, drawn.batches)
    size = sum(tensor.numel() * tensor.element_size() for tensor in tensors)
    return max(1, min(DRAWN_AT_ONCE, DRAWN_BYTES // size))


def meta_iteration(
    program: Program, lanes: Lanes, drawn: Drawn, off: frozenset[str] = frozenset()
) -> Lanes:
    """The lanes one meta-iteration older; lanes that diverge keep their last state.

    Args:
        off: Parts of the outer step (`OUTER`) that no lane has switched on.  Left out, they cost
            nothing; kept, they change no bit.
    """
    gradient, loss, inner = _meta_gradient(program, lanes, drawn)
    after = _outer_step(program, lanes, gradient, off)
    if inner is not None:
        flat = program.learner.layout.flatten(inner.v)
        after = after.replace(inner_v=flat, inner_taken=inner.steps)
    return _freeze(lanes, after, loss)


def _outer_step(program: Program, lanes: Lanes, gradient: Tensor, off: frozenset[str]) -> Lanes:
    """The lanes with φ and moments after the outer step; what an algorithm has not is off."""
    structure = program.signature.structure
    numbers = {name: number for name, number in lanes.numbers.items() if name not in off}
    clamp = float(structure.get("gradient_clamp", 0.0))
    if clamp > 0:
        gradient = gradient.clamp(-clamp, clamp)
    if "gradient_norm" in numbers:
        gradient = outer.shortened(gradient, numbers["gradient_norm"])
    schedule = str(structure.get("schedule", "constant"))
    rate = outer.scheduled(lanes.outer_lr, lanes.age, lanes.horizon, schedule)
    if "warmup" in numbers:
        rate = outer.warmed_up(rate, lanes.age, lanes.horizon, numbers["warmup"])
    phi = lanes.phi
    if "weight_decay" in numbers:
        decay = numbers["weight_decay"][:, None]
        if structure.get("outer_optimizer") == "adamw":
            phi = phi - rate[:, None] * decay * phi
        else:
            gradient = gradient + decay * phi
    if not lanes.m.shape[1]:
        return lanes.replace(phi=outer.sgd(phi, gradient, rate))
    state = outer.OuterState(lanes.m, lanes.v)
    phi, state = outer.adam(phi, gradient, rate, lanes.age, state)
    return lanes.replace(phi=phi, m=state.m, v=state.v)


def _meta_gradient(program: Program, lanes: Lanes, drawn: Drawn) -> MetaGradient:
    result: MetaGradient = program.kinds.algorithm.meta_gradient(
        program.training_learner,
        lanes.phi,
        drawn,
        numbers={"age": lanes.age, "horizon": lanes.horizon, **lane_numbers(program, lanes)},
        options=program.signature.structure,
        step_cap=program.signature.step_cap,
        state=inner_state(program, lanes),
    )
    return result


def lane_numbers(program: Program, lanes: Lanes) -> dict[str, Tensor]:
    """The meta-parameters that differ between lanes, (H,) by name."""
    rate = program.kinds.algorithm.outer_rate
    return {
        "inner_lr": lanes.inner_lr,
        "inner_steps": lanes.inner_steps,
        "test_steps": lanes.test_steps,
        **({} if rate is None else {rate: lanes.outer_lr}),
        **lanes.numbers,
    }


def task_keys(seed: Tensor, age: Tensor, tasks: int) -> Tensor:
    """The keys (*B, T) of the tasks of meta-iteration `age` of the trials `seed`, (*B,)."""
    keys = seeding.fold_in(seed, age)
    return seeding.fold_in(keys[..., None], torch.arange(tasks, device=keys.device))


def inner_state(program: Program, lanes: Lanes) -> InnerState | None:
    """The inner Adam's memory, None where the inner optimizer is SGD."""
    if not lanes.inner_v.shape[1]:
        return None
    return InnerState(program.learner.layout.unflatten(lanes.inner_v), lanes.inner_taken)


def _freeze(before: Lanes, after: Lanes, loss: Tensor) -> Lanes:
    good = before.alive & loss.isfinite()
    for name in ("phi", "v", "inner_v"):  # an infinite moment would hold a weight still for ever
        good = good & getattr(after, name).isfinite().all(-1)
    tensors = {
        name: torch.where(good[:, None], getattr(after, name), getattr(before, name))
        for name in ("phi", "m", "v", "inner_v", "inner_taken")
    }
    return before.replace(
        **tensors,
        age=before.age + good,
        alive=good,
        diverged_at=torch.where(before.alive & ~good, before.age, before.diverged_at),
    )
