"""One meta-iteration of all lanes: the pure function that a population repeats.

    keys(seed, age) ──draw──▶ episodes ──▶ meta-gradient ─▶ outer step ─▶ freeze what is not finite
                 many meta-iterations at once   └─────────────── one call ───────────────┘

Nothing here looks at a number on the host, so the device never waits.  Episodes are drawn beside
the meta-iteration, for many of them at once: drawing is a few dozen tiny operations, which would
cost a good part of a meta-iteration if each one called them.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor

from metaopt import seeding
from metaopt.algorithms import maml, outer, reptile
from metaopt.algorithms.inner import InnerState
from metaopt.algorithms.learner import Learner
from metaopt.population.lanes import Lanes
from metaopt.population.signature import Signature
from metaopt.tasks.base import Episodes, Examples, Tasks

CHANGED = ("phi", "m", "v", "inner_v", "inner_taken", "age", "alive", "diverged_at")
"""Fields of the lanes that a meta-iteration changes."""

DRAWN_AT_ONCE, DRAWN_BYTES = 32, 64 * 2**20


@dataclass(frozen=True)
class Program:
    """What all lanes of a population share."""

    signature: Signature
    tasks: Tasks
    learner: Learner

    def option(self, name: str) -> Any:
        """Return a structural meta-parameter."""
        return self.signature.structure[name]


class Drawn(NamedTuple):
    """What a meta-iteration trains on; leading axes (H, T), or (n, H, T) for n of them.

    Args:
        support, query: Examples; Reptile has no query examples.
        batches: Reptile's mini-batches (…, step cap, batch); width 0 for MAML.
    """

    support: Examples
    query: Examples
    batches: Tensor

    def at(self, index: int) -> "Drawn":
        """Return what meta-iteration `index` of n trains on."""
        support, query = (Examples(e.x[index], e.y[index]) for e in (self.support, self.query))
        return Drawn(support, query, self.batches[index])


def draw(program: Program, lanes: Lanes, count: int) -> Drawn:
    """Return the tasks of each lane's next `count` meta-iterations, functions of seed and age."""
    option, shots = program.option, program.signature.tasks
    ages = lanes.age + torch.arange(count, device=lanes.age.device)[:, None]
    keys = task_keys(lanes.seed, ages, int(option("meta_batch")))
    if program.signature.algorithm == "maml":
        episodes = program.tasks.sample("train", keys, shots["k_shot"], shots["q_query"])
        batches = keys.new_empty(*keys.shape, 0, 0)
    else:
        k_shot = int(option("train_shots")) or shots["k_shot"]
        episodes = program.tasks.sample("train", keys, k_shot, 0)
        cap, size = program.signature.step_cap, episodes.support.y.shape[3]
        batches = reptile.mini_batches(keys, size, int(option("inner_batch")), cap)
    support, query = (Examples(e.x.contiguous(), e.y.contiguous()) for e in episodes)
    return Drawn(support, query, batches)


def drawn_at_once(one: Drawn) -> int:
    """Return for how many meta-iterations to draw at once: more gain nothing, or take memory.

    Args:
        one: What one meta-iteration trains on.
    """
    tensors = (*one.support, *one.query, one.batches)
    size = sum(tensor.numel() * tensor.element_size() for tensor in tensors)
    return max(1, min(DRAWN_AT_ONCE, DRAWN_BYTES // size))


def meta_iteration(program: Program, lanes: Lanes, drawn: Drawn) -> Lanes:
    """Return the lanes one meta-iteration older; lanes that diverge keep their last state."""
    gradient, loss, inner = _meta_gradient(program, lanes, drawn)
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


def _meta_gradient(
    program: Program, lanes: Lanes, drawn: Drawn
) -> tuple[Tensor, Tensor, InnerState | None]:
    signature = program.signature
    numbers: dict[str, Any] = {
        "inner_lr": lanes.inner_lr,
        "inner_steps": lanes.inner_steps,
        "step_cap": signature.step_cap,
    }
    if signature.algorithm == "maml":
        episodes = Episodes(drawn.support, drawn.query)
        first_order = program.option("order") == "first"
        gradient, loss = maml.meta_gradient(
            program.learner,
            lanes.phi,
            episodes,
            first_order=first_order,
            recompute=program.option("inner_graph") == "recompute",
            **numbers,
        )
        return gradient, loss, None
    state = inner_state(program, lanes)
    return reptile.meta_gradient(
        program.learner, lanes.phi, drawn.support, drawn.batches, state=state, **numbers
    )


def task_keys(seed: Tensor, age: Tensor, tasks: int) -> Tensor:
    """Return the keys (*B, T) of the tasks of meta-iteration `age` of the trials `seed`, (*B,)."""
    keys = seeding.fold_in(seed, age)
    return seeding.fold_in(keys[..., None], torch.arange(tasks, device=keys.device))


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
