"""Whole meta-iterations against the reference loop and torch's own optimizers, in float64."""

import math
from dataclasses import replace

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from metaopt import seeding
from metaopt.algorithms import reptile
from metaopt.algorithms.registry import ALGORITHMS
from metaopt.metaparams import OUTER
from metaopt.population.population import Population
from metaopt.population.signature import signature_of
from metaopt.population.step import CHANGED, draw, meta_iteration
from tests import reference

TASKS = {"kind": "sinusoid", "k_shot": 5, "q_query": 4}
MLP = {"kind": "mlp", "widths": [8, 8], "activation": "tanh"}
SEED, HORIZON, ITERATIONS = 7, 20, 12


def population(algorithm: str, params: dict) -> Population:
    signature = signature_of(
        tasks=TASKS, model=MLP, algorithm=algorithm, params=params, dtype="float64"
    )
    made = Population(signature)
    made.admit("other", {**params, "inner_lr": 0.03}, seed=1, horizon=HORIZON)
    made.admit("lane", params, seed=SEED, horizon=HORIZON)
    return made


def keys_of(age: int, count: int) -> torch.Tensor:
    """Task keys as documented: of trial seed, meta-iteration and task index."""
    return seeding.fold_in(seeding.fold_in(torch.tensor(SEED), age), torch.arange(count))


def apply(weights, x):
    return reference.mlp(weights, x, "tanh")


def rate_at(age: int, schedule: str) -> float:
    cosine = (1 + math.cos(math.pi * age / HORIZON)) / 2
    return {"constant": 1.0, "linear": 1 - age / HORIZON, "cosine": cosine}[schedule]


@pytest.mark.parametrize(
    "options",
    [
        {"order": "second"},
        {"order": "first", "schedule": "cosine"},
        {"outer_optimizer": "sgd", "schedule": "linear", "gradient_clamp": 0.05},
    ],
    ids=["adam", "first-cosine", "sgd-linear-clamped"],
)
def test_maml_trains_like_the_loop(options):
    params = {"inner_lr": 0.05, "inner_steps": 2, "outer_lr": 0.02, "meta_batch": 3, **options}
    lanes = population("maml", params)
    weights = {k: v.clone().requires_grad_() for k, v in lanes.weights("lane").items()}
    make = torch.optim.SGD if options.get("outer_optimizer") == "sgd" else torch.optim.Adam
    optimizer = make(weights.values(), lr=0.02)
    for age in range(ITERATIONS):
        episodes = lanes.program.tasks.sample("train", keys_of(age, 3), 5, 4)
        tasks = [tuple((e.x[t], e.y[t]) for e in episodes) for t in range(3)]
        gradients, _ = reference.maml_gradient(
            apply, weights, tasks, inner_lr=0.05, steps=2,
            first_order=options.get("order") == "first",
        )  # fmt: skip
        clamp = options.get("gradient_clamp", torch.inf)
        for name, weight in weights.items():
            weight.grad = gradients[name].clamp(-clamp, clamp)
        optimizer.param_groups[0]["lr"] = 0.02 * rate_at(age, options.get("schedule", "constant"))
        optimizer.step()
    lanes.advance(ITERATIONS)
    for name, weight in lanes.weights("lane").items():
        assert torch.allclose(weight, weights[name], rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_reptile_trains_like_the_loop(optimizer):
    params = {
        "inner_lr": 0.02, "inner_steps": 3, "epsilon": 0.5, "meta_batch": 2, "inner_batch": 4,
        "train_shots": 7, "inner_optimizer": optimizer,
    }  # fmt: skip
    lanes = population("reptile", params)
    weights = {k: v.clone() for k, v in lanes.weights("lane").items()}
    memory = ({k: torch.zeros_like(v) for k, v in weights.items()}, 0)
    for age in range(ITERATIONS):
        keys = keys_of(age, 2)
        support = lanes.program.tasks.sample("train", keys, 7, 0).support
        order = reptile.mini_batches(keys, 7, 4, 3)
        tasks = [[(support.x[t][i], support.y[t][i]) for i in order[t]] for t in range(2)]
        mean, memory = reference.reptile_average(
            apply, weights, tasks, inner_lr=0.02, optimizer=optimizer, memory=memory
        )
        epsilon = 0.5 * rate_at(age, "linear")
        weights = {k: v + epsilon * (mean[k] - v) for k, v in weights.items()}
        if optimizer == "sgd":
            memory = ({k: torch.zeros_like(v) for k, v in weights.items()}, 0)
    lanes.advance(ITERATIONS)
    for name, weight in lanes.weights("lane").items():
        assert torch.allclose(weight, weights[name], rtol=1e-9, atol=1e-12)


LANES = {
    "plain": {},
    "decay": {"weight_decay": 0.3},
    "short": {"gradient_norm": 0.2},
    "warm": {"warmup": 0.4},
    "all": {"weight_decay": 0.1, "gradient_norm": 0.5, "warmup": 0.25},
}
"""What trials beside each other do with their outer step."""
OPTIMIZERS = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW, "sgd": torch.optim.SGD}


def outer_step(optimizer, weights, gradients, lane: dict, age: int, rate: float) -> None:
    """Take torch's own step; the norm and the warm-up are formulas written out."""
    flat = torch.cat([g.flatten() for g in gradients.values()])
    longest = lane.get("gradient_norm") or math.inf
    factor = min(1.0, longest / float((flat**2).sum().sqrt()))
    for name, weight in weights.items():
        weight.grad = factor * gradients[name]
    warm = min(1.0, (age + 1) / (lane.get("warmup", 0.0) * HORIZON or 1.0))
    optimizer.param_groups[0]["lr"] = rate * rate_at(age, "cosine") * warm
    optimizer.step()


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("algorithm", ["maml", "reptile"])
def test_outer_steps_of_lanes_beside_each_other_are_those_of_torch(algorithm, optimizer):
    """Decay (L2, or decoupled under AdamW), shortened gradients and warm-up, alone and together."""
    rate = 0.05
    shared = {"inner_lr": 0.05, "inner_steps": 2, "meta_batch": 2, "schedule": "cosine",
              "outer_optimizer": optimizer}  # fmt: skip
    shared |= {"outer_lr": rate} if algorithm == "maml" else {"epsilon": rate, "inner_batch": 3}
    signature = signature_of(
        tasks=TASKS, model=MLP, algorithm=algorithm, params=shared, dtype="float64"
    )
    lanes = Population(signature)
    for name, own in LANES.items():
        lanes.admit(name, {**shared, **own}, seed=SEED, horizon=HORIZON)
    expected = {}
    for lane, own in LANES.items():
        weights = {k: v.clone().requires_grad_() for k, v in lanes.weights(lane).items()}
        made = OPTIMIZERS[optimizer](
            weights.values(), lr=rate, weight_decay=own.get("weight_decay", 0.0)
        )
        for age in range(ITERATIONS):
            keys = keys_of(age, 2)
            if algorithm == "maml":
                episodes = lanes.program.tasks.sample("train", keys, 5, 4)
                tasks = [tuple((e.x[t], e.y[t]) for e in episodes) for t in range(2)]
                gradients, _ = reference.maml_gradient(
                    apply, weights, tasks, inner_lr=0.05, steps=2, first_order=False
                )
            else:
                support = lanes.program.tasks.sample("train", keys, 5, 0).support
                order = reptile.mini_batches(keys, 5, 3, 2)
                tasks = [[(support.x[t][i], support.y[t][i]) for i in order[t]] for t in range(2)]
                mean, _ = reference.reptile_average(
                    apply, weights, tasks, inner_lr=0.05, optimizer="sgd"
                )
                gradients = {k: v.detach() - mean[k] for k, v in weights.items()}
            outer_step(made, weights, gradients, own, age, rate)
        expected[lane] = weights
    lanes.advance(ITERATIONS)
    for lane in LANES:
        for name, weight in lanes.weights(lane).items():
            assert torch.allclose(weight, expected[lane][name], rtol=1e-9, atol=1e-11)


class Operations(TorchDispatchMode):
    """Counts the operations that torch is asked for."""

    count = 0

    def __torch_dispatch__(self, function, _types, arguments=(), named=None):
        self.count += 1
        return function(*arguments, **(named or {}))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("algorithm", "optimizer"), [("maml", "adam"), ("reptile", "sgd")])
def test_what_no_lane_has_switched_on_costs_no_operation_and_changes_no_bit(
    algorithm, optimizer, dtype
):
    """As before there were such parameters: as an algorithm that has none of them."""
    record = ALGORITHMS.get(algorithm)
    names = {param.name for param in OUTER}
    without = replace(record, params=tuple(p for p in record.params if p.name not in names))
    params = {"outer_optimizer": optimizer, "meta_batch": 2, "inner_lr": 0.02}
    ends, counts = [], []
    for kind, more in ((record, {}), (without, {}), (record, {"gradient_norm": 1e6})):
        signature = signature_of(
            tasks=TASKS, model=MLP, algorithm=kind, dtype=dtype,
            params={"outer_optimizer": optimizer, "meta_batch": 2},
        )  # fmt: skip
        lanes = Population(signature, algorithm=kind)
        lanes.admit("lane", {**params, **more}, seed=SEED, horizon=HORIZON)
        with Operations() as operations:
            lanes.advance(HORIZON)
        ends.append(lanes.trained().phi)
        counts.append(operations.count)
    assert torch.equal(ends[0], ends[1])
    assert torch.equal(ends[0], ends[2])
    # Its numbers are stacked with the lane's, once in an advance.
    assert counts[0] - counts[1] < HORIZON < counts[2] - counts[0]


def test_lanes_are_the_same_whether_what_is_off_is_left_out_or_computed():
    """As compiled programs have all of it: a lane may come and go between them and eager ones."""
    params = {"meta_batch": 2, "inner_lr": 0.02}
    lanes = population("maml", params)
    state = lanes._stacked()
    drawn = draw(lanes.program, state, 1).at(0)
    off = frozenset(param.name for param in OUTER)
    left_out = meta_iteration(lanes.program, state, drawn, off)
    computed = meta_iteration(lanes.program, state, drawn)
    for name in CHANGED:
        assert torch.equal(getattr(left_out, name), getattr(computed, name)), name
