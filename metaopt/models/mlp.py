"""Fully connected models; with no hidden layer, a linear one."""

import math
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

from metaopt import seeding
from metaopt.models.base import Params, glorot, truncated_normal
from metaopt.models.products import product


@dataclass(frozen=True)
class Mlp:
    """Affine layers with an activation between them; inputs are flattened.

    Biases start at zero, weights Glorot-uniform or, with `init_kind` "truncated_normal", normal
    with standard deviation 0.01, cut at two of them, as in the authors' code of MAML; from
    there sinusoids take several times as many meta-iterations.

    Args:
        input_shape: Shape of one input, of D entries.
        widths: Hidden widths; none gives a linear model.
        outputs: Width C of the output.
        activation: "relu" or "tanh".
        init_kind: "glorot" or "truncated_normal".
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
        for i, (name, shape) in enumerate(self.shapes.items()):
            if name.startswith("b"):
                params[name] = torch.zeros(*keys.shape, *shape, dtype=dtype, device=keys.device)
            else:
                draw = glorot if self.init_kind == "glorot" else truncated_normal
                params[name] = draw(seeding.fold_in(keys, i), shape).to(dtype)
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
