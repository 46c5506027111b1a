"""Layers of somebody's module as products, in compiled programs.

Mapped over lanes a convolution is a grouped one, whose second derivative is computed group by
group: a compiled program of such is several times slower than the same lanes without a compiler.
As products of patches with kernels it is one batched matrix product, derivatives of any order
included.  And a product knows weights that tasks share, as all do at the first inner step
(`metaopt.models.products`), which a mapped layer does not.
"""

from functools import partial
from itertools import product as combinations

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.modules.conv import _ConvNd

from metaopt.models.base import being_compiled
from metaopt.models.products import product


def compute_by_products(module: nn.Module) -> None:
    """Let linear layers and convolutions of `module` be products where a program is traced."""
    for layer in module.modules():
        if type(layer) is nn.Linear:
            layer.forward = partial(_linear, layer)  # type: ignore[method-assign]
        if type(layer) in (nn.Conv1d, nn.Conv2d, nn.Conv3d) and layer.groups == 1:
            layer.forward = partial(_convolution, layer)  # type: ignore[arg-type]


def _linear(layer: nn.Linear, input: Tensor) -> Tensor:
    """Return (…, out) for an input (…, in)."""
    h = input  # the name that a layer's forward has
    if not being_compiled():
        return F.linear(h, layer.weight, layer.bias)
    rows = product(h.reshape(-1, layer.in_features), layer.weight.mT)
    outputs = rows.reshape(*h.shape[:-1], layer.out_features)
    return outputs if layer.bias is None else outputs + layer.bias


def _convolution(layer: _ConvNd, input: Tensor) -> Tensor:
    """Return (N, out, *sides) for an input (N, in, *sides)."""
    h = input  # the name that a layer's forward has
    if not being_compiled():
        outputs: Tensor = type(layer).forward(layer, h)
        return outputs
    mode = "constant" if layer.padding_mode == "zeros" else layer.padding_mode
    h = F.pad(h, layer._reversed_padding_repeated_twice, mode=mode)
    rows = patches(h.movedim(1, -1), layer.kernel_size, layer.stride, layer.dilation)
    kernel = layer.weight.movedim(1, -1).flatten(1)  # as a patch lies
    sides = rows.shape[:-1]
    result: Tensor = product(rows.flatten(0, -2), kernel.mT).unflatten(0, sides).movedim(-1, 1)
    if layer.bias is not None:
        result = result + layer.bias.view(-1, *(1,) * (h.dim() - 2))
    return result.contiguous()  # as a convolution's is: what comes next may be a view of it


def patches(
    h: Tensor, kernel: tuple[int, ...], stride: tuple[int, ...], dilation: tuple[int, ...]
) -> Tensor:
    """The patches of padded inputs (N, *sides, C) that a kernel sees: (N, *sides', taps·C)."""
    axes = list(zip(h.shape[1:-1], kernel, stride, dilation, strict=True))
    counts = [(side - d * (k - 1) - 1) // s + 1 for side, k, s, d in axes]
    shifted = []
    for tap in combinations(*map(range, kernel)):
        where = [
            slice(i * d, i * d + s * (n - 1) + 1, s)
            for i, n, (_, _, s, d) in zip(tap, counts, axes, strict=True)
        ]
        shifted.append(h[(slice(None), *where)])
    return torch.cat(shifted, dim=-1)
