"""Fully connected models; with no hidden layer, a linear one."""

import math
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

from metaopt import seeding
from metaopt.models.base import Params


@dataclass(frozen=True)
class Mlp:
    """Affine layers with an activation between them; inputs are flattened.

    With `init_kind` "fan_in" weights and biases start uniform in ±1/√fan_in, as torch's own layers
    do; with "truncated_normal" weights start normal with standard deviation 0.01, cut at two of
    them, and biases at zero, as in the authors' code of MAML.  Then all kinks of a one-input
    ReLU network begin at x = 0, and sinusoids take more meta-iterations.

    Args:
        input_shape: Shape of one input, of D entries.
        widths: Hidden widths; none gives a linear model.
        outputs: Width C of the output.
        activation: "relu" or "tanh".
        init_kind: "fan_in" or "truncated_normal".
    """

    input_shape: tuple[int, ...]
    widths: tuple[int, ...]
    outputs: int
    activation: str = "relu"
    init_kind: str = "fan_in"

    not_adapted: frozenset[str] = frozenset()

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Return shapes of w0 (in, out), b0 (out,), w1, …"""
        layers = pairwise((math.prod(self.input_shape), *self.widths, self.outputs))
        shapes: dict[str, tuple[int, ...]] = {}
        for i, (fan_in, fan_out) in enumerate(layers):
            shapes[f"w{i}"] = (fan_in, fan_out)
            shapes[f"b{i}"] = (fan_out,)
        return shapes

    def init(self, keys: Tensor, dtype: torch.dtype) -> Params:
        """Return weights for keys (*B,).  See `Model`."""
        params = {}
        for i, (name, shape) in enumerate(self.shapes.items()):
            u = seeding.uniform(seeding.fold_in(keys, i), math.prod(shape))
            if self.init_kind == "fan_in":
                drawn = (2.0 * u - 1.0) * self.shapes[f"w{name[1:]}"][0] ** -0.5
            else:
                drawn = _truncated_normal(u) if name.startswith("w") else torch.zeros_like(u)
            params[name] = drawn.reshape(*keys.shape, *shape).to(dtype)
        return params

    def apply(self, params: Params, x: Tensor, *, reference: int | None = None) -> Tensor:
        """Return (*B, N, C) for x (*B, N, *input_shape).  See `Model`."""
        activation = torch.relu if self.activation == "relu" else torch.tanh
        h = x.flatten(-len(self.input_shape))
        last = len(self.widths)
        for i in range(last + 1):
            h = torch.matmul(h, params[f"w{i}"]) + params[f"b{i}"][..., None, :]
            h = activation(h) if i < last else h
        return h


def _truncated_normal(u: Tensor) -> Tensor:
    low, high = 0.022750131948179195, 0.9772498680518208  # Φ(−2), Φ(2)
    normal: Tensor = torch.special.ndtri(low + (high - low) * u)
    return 0.01 * normal
