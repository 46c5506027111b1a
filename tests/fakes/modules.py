"""Small `torch.nn.Module`s as people write them: each kind of layer, and some that misbehave.

All take inputs (N, 4) and give (N, 2): a linear layer and tanh, the layer in question on features
of some shape, a linear head.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

INPUT_SHAPE, OUTPUTS = (4,), 2


class Around(nn.Module):
    """The layer that `make` makes, between a body and a head of `width` features."""

    def __init__(self, make: Callable[[], nn.Module], shape: tuple[int, ...], width: int) -> None:
        super().__init__()
        self.body = nn.Linear(4, torch.Size(shape).numel())
        self.shape = shape
        self.layer = make()
        self.head = nn.Linear(width, 2)

    def forward(self, x: Tensor) -> Tensor:
        h = self.layer(torch.tanh(self.body(x)).reshape(-1, *self.shape))
        h = h[0] if isinstance(h, tuple) else h
        result: Tensor = self.head(h.flatten(1))
        return result


class Attention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.own = nn.MultiheadAttention(4, 2, batch_first=True)

    def forward(self, h: Tensor) -> Tensor:
        result: Tensor = self.own(h, h, h, need_weights=False)[0]
        return result


class Tokens(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding(5, 3)

    def forward(self, h: Tensor) -> Tensor:
        result: Tensor = self.table((h.abs() * 4).long())
        return result


class WithItself(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.form = nn.Bilinear(6, 6, 5)

    def forward(self, h: Tensor) -> Tensor:
        result: Tensor = self.form(h, h)
        return result


class Tied(nn.Module):
    """Two layers with one weight."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.two = nn.Linear(6, 6), nn.Linear(6, 6, bias=False)
        self.two.weight = self.one.weight

    def forward(self, h: Tensor) -> Tensor:
        result: Tensor = self.two(torch.tanh(self.one(h)))
        return result


class Buffers(nn.Module):
    """A table of whole numbers, a mask, and a counter that it writes into."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("order", torch.tensor([3, 1, 0, 2, 5, 4]))
        self.register_buffer("mask", torch.tensor([True, False, True, True, False, True]))
        self.register_buffer("calls", torch.zeros((), dtype=torch.int64))

    def forward(self, h: Tensor) -> Tensor:
        self.calls += 1
        return torch.where(self.mask, h[:, self.order], self.calls * h)


class Branching(nn.Module):
    def forward(self, h: Tensor) -> Tensor:
        return h if h.sum() > 0 else -2 * h


class Reading(nn.Module):
    def forward(self, h: Tensor) -> Tensor:
        return h * (1 + h.detach().mean().item())


class InPlace(nn.Module):
    def forward(self, h: Tensor) -> Tensor:
        total = torch.zeros(h.shape, dtype=h.dtype)
        total += h
        return total


class _Wrong(torch.autograd.Function):
    """The square; its batching rule gives the cube."""

    @staticmethod
    def forward(h: Tensor) -> Tensor:
        return h.square()

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor], output: Tensor) -> None:
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        (h,) = ctx.saved_tensors
        return 2 * h * gradient

    @staticmethod
    def vmap(info: Any, in_dims: tuple[int], h: Tensor) -> tuple[Tensor, int]:
        return h**3, in_dims[0]


class Lying(nn.Module):
    def forward(self, h: Tensor) -> Tensor:
        result: Tensor = _Wrong.apply(h)  # type: ignore[no-untyped-call]
        return result


class Distances(nn.Module):
    """To five points of the plane; torch has no second derivative of these."""

    def __init__(self) -> None:
        super().__init__()
        self.points = nn.Parameter(torch.randn(5, 2))

    def forward(self, h: Tensor) -> Tensor:
        return torch.cdist(h, self.points)


class Forgetful(nn.Module):
    """Not the same function twice: it counts its calls."""

    calls = 0

    def forward(self, h: Tensor) -> Tensor:
        self.calls += 1
        return h * self.calls


def _around(make: Callable[[], nn.Module], shape: tuple[int, ...], width: int) -> Any:
    return lambda: Around(make, shape, width)


MAPPED = {
    "Linear": _around(lambda: nn.Linear(6, 5), (6,), 5),
    "Conv1d": _around(lambda: nn.Conv1d(2, 3, 2), (2, 4), 9),
    "Conv2d": _around(lambda: nn.Conv2d(2, 3, 2), (2, 3, 3), 12),
    "ConvTranspose2d": _around(lambda: nn.ConvTranspose2d(2, 3, 2), (2, 2, 2), 27),
    "BatchNorm1d": _around(lambda: nn.BatchNorm1d(6), (6,), 6),
    "BatchNorm1d, no running": _around(
        lambda: nn.BatchNorm1d(6, track_running_stats=False), (6,), 6
    ),
    "BatchNorm2d": _around(lambda: nn.BatchNorm2d(2), (2, 2, 2), 8),
    "BatchNorm2d, no running": _around(
        lambda: nn.BatchNorm2d(2, track_running_stats=False), (2, 2, 2), 8
    ),
    "BatchNorm2d, not affine": _around(lambda: nn.BatchNorm2d(2, affine=False), (2, 2, 2), 8),
    "BatchNorm2d, eval": _around(lambda: nn.BatchNorm2d(2).eval(), (2, 2, 2), 8),
    "LayerNorm": _around(lambda: nn.LayerNorm(6), (6,), 6),
    "InstanceNorm2d": _around(lambda: nn.InstanceNorm2d(2, affine=True), (2, 2, 2), 8),
    "InstanceNorm2d, running": _around(
        lambda: nn.InstanceNorm2d(2, affine=True, track_running_stats=True), (2, 2, 2), 8
    ),
    "GroupNorm": _around(lambda: nn.GroupNorm(2, 4), (4, 2, 2), 16),
    "RMSNorm": _around(lambda: nn.RMSNorm(6), (6,), 6),
    "Embedding": _around(Tokens, (6,), 18),
    "MultiheadAttention": _around(Attention, (3, 4), 12),
    "TransformerEncoderLayer": _around(
        lambda: nn.TransformerEncoderLayer(4, 2, 6, dropout=0.0, batch_first=True), (3, 4), 12
    ),
    "weight_norm": _around(lambda: nn.utils.parametrizations.weight_norm(nn.Linear(6, 5)), (6,), 5),
    "MaxPool2d": _around(lambda: nn.MaxPool2d(2), (2, 4, 4), 8),
    "AvgPool2d": _around(lambda: nn.AvgPool2d(2), (2, 4, 4), 8),
    "AdaptiveAvgPool2d": _around(lambda: nn.AdaptiveAvgPool2d(2), (2, 4, 4), 8),
    "AdaptiveMaxPool2d": _around(lambda: nn.AdaptiveMaxPool2d(2), (2, 4, 4), 8),
    "PReLU": _around(lambda: nn.PReLU(6), (6,), 6),
    "Bilinear": _around(WithItself, (6,), 5),
    "Upsample": _around(lambda: nn.Upsample(scale_factor=2), (2, 2, 2), 32),
    "LazyLinear": _around(lambda: nn.LazyLinear(5), (6,), 5),
    "tied weights": _around(Tied, (6,), 6),
    "buffers": _around(Buffers, (6,), 6),
}
"""Those that `vmap` maps."""

LANE_BY_LANE = {
    "LSTM": _around(lambda: nn.LSTM(4, 5, batch_first=True), (3, 4), 15),
    "GRU": _around(lambda: nn.GRU(4, 5, batch_first=True), (3, 4), 15),
    "spectral_norm": _around(
        lambda: nn.utils.parametrizations.spectral_norm(nn.Linear(6, 5)), (6,), 5
    ),
    "if": _around(Branching, (6,), 6),
    "item": _around(Reading, (6,), 6),
    "in place": _around(InPlace, (6,), 6),
}
"""Those that it cannot."""
