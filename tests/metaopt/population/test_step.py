"""Whole meta-iterations against the reference loop and torch's own optimizers, in float64."""

import math

import pytest
import torch

from metaopt import seeding
from metaopt.algorithms import reptile
from metaopt.population.population import Population
from metaopt.population.signature import signature_of
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
