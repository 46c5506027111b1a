"""A fresh lane: initial weights and numbers of a trial, functions of its seed and parameters."""

from collections.abc import Mapping

import torch
from torch import Tensor

from metaopt import seeding
from metaopt.algorithms.algorithm import Algorithm, steps_of
from metaopt.errors import InvalidPopulation
from metaopt.messages import shown
from metaopt.metaparams import MetaParam, Value
from metaopt.population.lanes import Lanes
from metaopt.population.signature import Signature
from metaopt.population.step import Program

DTYPES = {"float32": torch.float32, "float64": torch.float64}

_INIT = 5_000_001  # salt: initial weights are independent of the tasks of meta-iteration 0


def dtype_of(signature: Signature) -> torch.dtype:
    """The float type of a signature's weights.

    Raises:
        InvalidPopulation: It is neither float32 nor float64.
    """
    if signature.dtype not in DTYPES:
        known = " or ".join(DTYPES)
        raise InvalidPopulation(f"dtype must be {known}, got {shown(signature.dtype)}")
    return DTYPES[signature.dtype]


def fresh_lane(
    program: Program, values: Mapping[str, Value], *, seed: int, horizon: int, device: str
) -> Lanes:
    """Return one lane at meta-iteration 0.

    Args:
        values: All meta-parameters of the trial.
        seed: Trial seed.
        horizon: Meta-iterations of the whole trial.
    """
    dtype = dtype_of(program.signature)
    phi = _initial_weights(program, values, seed, dtype).to(device)
    algorithm = program.kinds.algorithm
    moments, steps = algorithm.moments(program.signature.structure), steps_of(values)

    def number(value: Value | int) -> Tensor:
        return torch.tensor([float(value)], dtype=dtype, device=device)

    def whole(value: Value | int) -> Tensor:
        return torch.tensor([int(value)], device=device)

    def zeros(used: bool) -> Tensor:
        return torch.zeros((1, phi.shape[1] if used else 0), dtype=dtype, device=device)

    return Lanes(
        phi=phi,
        m=zeros(moments.outer),
        v=zeros(moments.outer),
        inner_v=zeros(moments.inner),
        inner_taken=torch.zeros(1, 1, dtype=dtype, device=device),
        inner_lr=number(values.get("inner_lr", 0.0)),
        outer_lr=number(values.get(algorithm.outer_rate or "", 0.0)),
        inner_steps=whole(steps.train),
        test_steps=whole(steps.test),
        seed=whole(seed),
        age=whole(0),
        horizon=whole(horizon),
        alive=torch.ones(1, dtype=torch.bool, device=device),
        diverged_at=whole(-1),
        numbers={
            param.name: (whole if param.kind == "int" else number)(values[param.name])
            for param in own_numbers(algorithm)
        },
    )


def own_numbers(algorithm: Algorithm) -> list[MetaParam]:
    """The lane numbers that only this algorithm has, beside those of all lanes."""
    shared = {"inner_lr", "inner_steps", "test_steps", algorithm.outer_rate}
    return [param for param in algorithm.params if param.lane and param.name not in shared]


def _initial_weights(
    program: Program, values: Mapping[str, Value], seed: int, dtype: torch.dtype
) -> Tensor:
    # On the CPU, whose transcendental functions decide the last bits, to be moved then: a trial
    # begins with the same weights on every device.
    keys = seeding.fold_in(torch.tensor([seed]), _INIT)
    numbers = {
        param.name: torch.tensor([float(values[param.name])], dtype=dtype)
        for param in program.kinds.algorithm.params
        if param.lane
    }
    learner = program.learner
    return learner.layout.flatten(learner.fresh(keys, dtype, numbers))
