"""Convolutions of somebody's module as products of patches with kernels, in compiled programs.

Mapped over lanes a convolution is a grouped one, whose second derivative is computed group by
group: a compiled program of such is several times slower than the same lanes without a compiler.
As products it is one batched matrix product, derivatives of any order included.
"""

from functools import partial
from itertools import product

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.modules.conv import _ConvNd

from metaopt.models.base import being_compiled


def convolve_by_products(module: nn.Module) -> None:
    """Let the convolutions of `module` be products wherever they are traced for a program."""
    for layer in module.modules():
        if type(layer) in (nn.Conv1d, nn.Conv2d, nn.Conv3d) and layer.groups == 1:
            layer.forward = partial(_convolution, layer)  # type: ignore[arg-type]


def _convolution(layer: _ConvNd, h: Tensor) -> Tensor:
    """Return (N, out, *sides) for h (N, in, *sides)."""
    if not being_compiled():
        outputs: Tensor = type(layer).forward(layer, h)
        return outputs
    mode = "constant" if layer.padding_mode == "zeros" else layer.padding_mode
    h = F.pad(h, layer._reversed_padding_repeated_twice, mode=mode)
    rows = patches(h.movedim(1, -1), layer.kernel_size, layer.stride, layer.dilation)
    kernel = layer.weight.movedim(1, -1).flatten(1)  # as a patch lies
    result: Tensor = (rows @ kernel.mT).movedim(-1, 1)
    if layer.bias is None:
        return result
    return result + layer.bias.view(-1, *(1,) * (h.dim() - 2))


def patches(
    h: Tensor, kernel: tuple[int, ...], stride: tuple[int, ...], dilation: tuple[int, ...]
) -> Tensor:
    """The patches of padded inputs (N, *sides, C) that a kernel sees: (N, *sides', taps·C)."""
    axes = list(zip(h.shape[1:-1], kernel, stride, dilation, strict=True))
    counts = [(side - d * (k - 1) - 1) // s + 1 for side, k, s, d in axes]
    shifted = []
    for tap in product(*map(range, kernel)):
        where = [
            slice(i * d, i * d + s * (n - 1) + 1, s)
            for i, n, (_, _, s, d) in zip(tap, counts, axes, strict=True)
        ]
        shifted.append(h[(slice(None), *where)])
    return torch.cat(shifted, dim=-1)
