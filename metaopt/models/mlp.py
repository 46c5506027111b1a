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
        return self.answer(params, self.features(params, x))

    @property
    def head(self) -> tuple[str, str]:
        """Return the names of the last layer's weights and biases."""
        last = len(self.widths)
        return f"w{last}", f"b{last}"

    def features(self, params: Params, x: Tensor, *, reference: int | None = None) -> Tensor:
        """Return (*B, N, D), the inputs where there is no hidden layer.  See `WithHead`."""
        activation = torch.relu if self.activation == "relu" else torch.tanh
        h = x.flatten(-len(self.input_shape))
        for i in range(len(self.widths)):
            h = activation(product(h, params[f"w{i}"]) + params[f"b{i}"][..., None, :])
        return h

    def answer(self, params: Params, features: Tensor) -> Tensor:
        """Return (*B, N, C) for features (*B, N, D).  See `WithHead`."""
        weight, bias = (params[name] for name in self.head)
        return product(features, weight) + bias[..., None, :]

    def as_head(self, weight: Tensor, bias: Tensor) -> Params:
        """See `WithHead`."""
        return dict(zip(self.head, (weight, bias), strict=True))
