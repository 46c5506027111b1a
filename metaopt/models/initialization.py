"""Initial weights and biases, by the names that `model.init` has in specs.

    rule               weights                         source
    glorot             uniform in ±√(6 / (in + out))   Glorot & Bengio (2010), equation 16
    lecun              normal, variance 1 / in         LeCun et al. (1998), section 4.6
    he                 normal, variance 2 / in         He et al. (2015), equation 10
    torch              uniform in ±1/√in               torch.nn.Linear, `reset_parameters`
    truncated_normal   normal 0.01, cut at two σ       the authors' code of MAML

`in` and `out` are a layer's fans: inputs and outputs, of a convolution times its taps.  Biases are
zero; under `torch` they are drawn as the weights are.
"""

import math
from typing import Protocol

import torch
from torch import Tensor

from metaopt import seeding


class Draw(Protocol):
    """A rule for weights: (keys (*B,), shape) -> (*B, *shape), in float64.

    `shape` is (in, out), or (out, in, height, width) of a convolution.
    """

    def __call__(self, keys: Tensor, shape: tuple[int, ...]) -> Tensor: ...


def glorot(keys: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Return weights uniform in ±√(6 / (fan in + fan out))."""
    taps = math.prod(shape[2:])
    return _uniform(keys, shape, math.sqrt(6.0 / (taps * (shape[0] + shape[1]))))


def lecun(keys: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Return normal weights of variance 1 / fan in."""
    return _normal(keys, shape, 1.0 / math.sqrt(fan_in(shape)))


def he(keys: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Return normal weights of variance 2 / fan in."""
    return _normal(keys, shape, math.sqrt(2.0 / fan_in(shape)))


def as_torch(keys: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Return weights uniform in ±1/√(fan in)."""
    return _uniform(keys, shape, 1.0 / math.sqrt(fan_in(shape)))


def truncated_normal(keys: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Return normal weights, standard deviation 0.01 before the cut at two of them."""
    low, high = 0.022750131948179195, 0.9772498680518208  # Φ(−2), Φ(2)
    drawn = seeding.uniform(keys, math.prod(shape)).reshape(*keys.shape, *shape)
    normal: Tensor = torch.special.ndtri(low + (high - low) * drawn)
    return 0.01 * normal


WEIGHTS: dict[str, Draw] = {
    "glorot": glorot,
    "lecun": lecun,
    "he": he,
    "torch": as_torch,
    "truncated_normal": truncated_normal,
}


def weights(init: str, keys: Tensor, shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
    """Return a layer's weights by the rule `init`, for keys (*B,): (*B, *shape)."""
    return WEIGHTS[init](keys, shape).to(dtype)


def biases(init: str, keys: Tensor, layer: tuple[int, ...], dtype: torch.dtype) -> Tensor:
    """Return an affine layer's biases (*B, out) for keys (*B,) and the shape of its weights."""
    shape = layer[1:]
    if init == "torch":
        return _uniform(keys, shape, 1.0 / math.sqrt(fan_in(layer))).to(dtype)
    return torch.zeros(*keys.shape, *shape, dtype=dtype, device=keys.device)


def fan_in(shape: tuple[int, ...]) -> int:
    """Return the inputs of one unit: of (in, out), or of (out, in, height, width)."""
    return shape[0] if len(shape) == 2 else math.prod(shape[1:])


def _uniform(keys: Tensor, shape: tuple[int, ...], bound: float) -> Tensor:
    drawn = seeding.uniform(keys, math.prod(shape)).reshape(*keys.shape, *shape)
    return (2.0 * drawn - 1.0) * bound


def _normal(keys: Tensor, shape: tuple[int, ...], deviation: float) -> Tensor:
    return deviation * seeding.normal(keys, math.prod(shape)).reshape(*keys.shape, *shape)
