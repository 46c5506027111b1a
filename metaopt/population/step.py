"""One meta-iteration of all lanes: the pure function that a population repeats.

    keys(seed, age) → episodes → meta-gradient → outer step → freeze what is not finite

Nothing here looks at a number on the host, so the device never waits.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from metaopt import seeding
from metaopt.algorithms import maml, outer, reptile
from metaopt.algorithms.inner import InnerState
from metaopt.algorithms.learner import Learner
from metaopt.population.lanes import Lanes
from metaopt.population.signature import Signature
from metaopt.tasks.base import Tasks


@dataclass(frozen=True)
class Program:
    """What all lanes of a population share."""

    signature: Signature
    tasks: Tasks
    learner: Learner

    def option(self, name: str) -> Any:
        """Return a structural meta-parameter."""
        return self.signature.structure[name]


def meta_iteration(program: Program, lanes: Lanes) -> Lanes:
    """Return the lanes one meta-iteration older; lanes that diverge keep their last state."""
    gradient, loss, inner = _meta_gradient(program, lanes)
    clamp = float(program.signature.structure.get("gradient_clamp", 0.0))
    if clamp > 0:
        gradient = gradient.clamp(-clamp, clamp)
    rate = outer.scheduled(lanes.outer_lr, lanes.age, lanes.horizon, program.option("schedule"))
    if lanes.m.shape[1]:
        state = outer.OuterState(lanes.m, lanes.v)
        phi, state = outer.adam(lanes.phi, gradient, rate, lanes.age, state)
        after = lanes.replace(phi=phi, m=state.m, v=state.v)
    else:
        after = lanes.replace(phi=outer.sgd(lanes.phi, gradient, rate))
    if inner is not None:
        flat = program.learner.layout.flatten(inner.v)
        after = after.replace(inner_v=flat, inner_taken=inner.steps)
    return _freeze(lanes, after, loss)


def _meta_gradient(program: Program, lanes: Lanes) -> tuple[Tensor, Tensor, InnerState | None]:
    signature = program.signature
    keys = task_keys(lanes, int(program.option("meta_batch")))
    numbers: dict[str, Any] = {
        "inner_lr": lanes.inner_lr,
        "inner_steps": lanes.inner_steps,
        "step_cap": signature.step_cap,
    }
    k_shot, q_query = signature.tasks["k_shot"], signature.tasks["q_query"]
    if signature.algorithm == "maml":
        episodes = program.tasks.sample("train", keys, k_shot, q_query)
        first_order = program.option("order") == "first"
        gradient, loss = maml.meta_gradient(
            program.learner, lanes.phi, episodes, first_order=first_order, **numbers
        )
        return gradient, loss, None
    shots = int(program.option("train_shots")) or k_shot
    support = program.tasks.sample("train", keys, shots, 0).support
    batch = int(program.option("inner_batch"))
    batches = reptile.mini_batches(keys, support.y.shape[2], batch, signature.step_cap)
    return reptile.meta_gradient(
        program.learner, lanes.phi, support, batches, state=inner_state(program, lanes), **numbers
    )


def task_keys(lanes: Lanes, tasks: int) -> Tensor:
    """Return the keys (H, T) of the tasks of each lane's next meta-iteration."""
    keys = seeding.fold_in(lanes.seed, lanes.age)
    return seeding.fold_in(keys[:, None], torch.arange(tasks, device=keys.device))


def inner_state(program: Program, lanes: Lanes) -> InnerState | None:
    """Return the inner Adam's memory, None where the inner optimizer is SGD."""
    if not lanes.inner_v.shape[1]:
        return None
    return InnerState(program.learner.layout.unflatten(lanes.inner_v), lanes.inner_taken)


def _freeze(before: Lanes, after: Lanes, loss: Tensor) -> Lanes:
    good = before.alive & loss.isfinite()
    for name in ("phi", "v", "inner_v"):  # an infinite moment would hold a weight still for ever
        good = good & getattr(after, name).isfinite().all(-1)
    kept = {
        name: torch.where(good[:, None], getattr(after, name), getattr(before, name))
        for name in ("phi", "m", "v", "inner_v", "inner_taken")
    }
    return before.replace(
        **kept,
        age=before.age + good,
        alive=good,
        diverged_at=torch.where(before.alive & ~good, before.age, before.diverged_at),
    )
