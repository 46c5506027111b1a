"""Batch norm of somebody's module, with statistics of the examples that an evaluation asks for."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.instancenorm import _InstanceNorm


class Statistics:
    """Which examples the batch norms of a module take mean and variance from, for a while."""

    def __init__(self) -> None:
        self._examples: tuple[int, int] | None = None

    @contextmanager
    def of_first(self, reference: int | None, count: int) -> Iterator[None]:
        """Take them from the first `reference` of `count` examples; None takes all."""
        self._examples = None if reference is None else (reference, count)
        try:
            yield
        finally:
            self._examples = None

    def rows(self, rows: int) -> int | None:
        """How many of a layer's rows they come from; None is all.

        A layer may see several rows of each example, those of the first example first.
        """
        if self._examples is None:
            return None
        reference, count = self._examples
        return reference * (rows // count)


def of_batch_norms(module: nn.Module) -> list[str]:
    """The names of the parameters γ and β of its batch norms."""
    return [
        f"{place}.{name}" if place else name
        for place, layer in module.named_modules()
        if isinstance(layer, _BatchNorm)
        for name, _ in layer.named_parameters(recurse=False)
    ]


def take_batch_statistics(module: nn.Module) -> Statistics:
    """Let the norms of `module` that are in training mode use the batch's statistics alone.

    Running statistics are neither updated nor used there; a norm in eval mode uses them as the
    constants that they are.
    """
    statistics = Statistics()
    for layer in module.modules():
        if not layer.training or not isinstance(layer, _BatchNorm | _InstanceNorm):
            continue
        if isinstance(layer, _BatchNorm):
            if type(layer).forward is not _BatchNorm.forward:
                continue  # somebody's own: whether it can be lifted is what the proof finds out
            layer.forward = partial(_batch_norm, layer, statistics)  # type: ignore[method-assign]
        layer.running_mean = layer.running_var = layer.num_batches_tracked = None
    return statistics


def _batch_norm(layer: _BatchNorm, statistics: Statistics, input: Tensor) -> Tensor:
    """Return γ·(h − mean)/sqrt(var + ε) + β for an input h (N, C, …)."""
    h = input  # the name that a layer's forward has
    layer._check_input_dim(h)
    rows = statistics.rows(h.shape[0])
    if rows is None:
        return F.batch_norm(h, None, None, layer.weight, layer.bias, True, 0.0, layer.eps)
    axes, first = (0, *range(2, h.dim())), h[:rows]
    mean = first.mean(axes, keepdim=True)
    variance = (first - mean).square().mean(axes, keepdim=True)
    normal = (h - mean) * torch.rsqrt(variance + layer.eps)
    for_channels = (-1, *(1,) * (h.dim() - 2))
    if layer.weight is not None:
        normal = normal * layer.weight.view(for_channels)
    return normal if layer.bias is None else normal + layer.bias.view(for_channels)
