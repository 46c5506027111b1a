"""Fully connected models; with no hidden layer, a linear one."""

import math
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

from metaopt import seeding
from metaopt.models.base import Params
from metaopt.models.initialization import biases, weights
from metaopt.models.products import product


@dataclass(frozen=True)
class Mlp:
    """Affine layers with an activation between them; inputs are flattened.

    Args:
        input_shape: Shape of one input, of D entries.
        widths: Hidden widths; none gives a linear model.
        outputs: Width C of the output.
        activation: "relu" or "tanh".
        init_kind: Rule of its initial weights and biases (`metaopt.models.initialization`).
    """

    input_shape: tuple[int, ...]
    widths: tuple[int, ...]
    outputs: int
    activation: str = "relu"
    init_kind: str = "glorot"

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
        shapes = self.shapes
        for i, name in enumerate(shapes):
            draw, layer = weights if name.startswith("w") else biases, shapes[f"w{name[1:]}"]
            params[name] = draw(self.init_kind, seeding.fold_in(keys, i), layer, dtype)
        return params

    def apply(self, params: Params, x: Tensor, *, reference: int | None = None) -> Tensor:
        """Return (*B, N, C) for x (*B, N, *input_shape).  See `Model`."""
        activation = torch.relu if self.activation == "relu" else torch.tanh
        h = x.flatten(-len(self.input_shape))
        last = len(self.widths)
        for i in range(last + 1):
            h = product(h, params[f"w{i}"]) + params[f"b{i}"][..., None, :]
            h = activation(h) if i < last else h
        return h
