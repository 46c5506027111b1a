"""Batched matrix products of small matrices, arranged so that they run fast.

The same numbers as `torch.matmul`, and derivatives of any order, which are products again.  Two
arrangements matter:

- Tasks that still share their weights, as all do at the first inner step, are rows of one larger
  product, which runs at a higher rate, and nothing is copied per task.
- (m, k)·(k, n) with m > n is computed as the transpose of (n, k)·(k, m): BLAS is slower on the
  tall form.
"""

from typing import Any

import torch
from torch import Tensor


def product(a: Tensor, b: Tensor) -> Tensor:
    """Return a·b for (*B, m, k) and (*B, k, n), whose leading axes broadcast.

    Raises:
        RuntimeError: shapes do not fit.
    """
    lead = torch.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    a, b = a.expand(*lead, *a.shape[-2:]), b.expand(*lead, *b.shape[-2:])
    return _apply(a, b)


class _Product(torch.autograd.Function):
    @staticmethod
    def forward(a: Tensor, b: Tensor) -> Tensor:
        if _shared(b):
            rows: Tensor = torch.matmul(a.flatten(-3, -2), b.select(-3, 0))
            return rows.reshape(*a.shape[:-1], rows.shape[-1])
        tall = a.shape[-2] > b.shape[-1]
        return torch.matmul(b.mT, a.mT).mT if tall else torch.matmul(a, b)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor], output: Tensor) -> None:
        ctx.save_for_backward(*inputs)

    @staticmethod
    def vmap(
        info: Any, in_dims: tuple[int | None, int | None], a: Tensor, b: Tensor
    ) -> tuple[Tensor, int]:
        """One more leading axis, as a view: weights that are shared stay so."""
        whole = [
            t.expand(info.batch_size, *t.shape) if axis is None else t.movedim(axis, 0)
            for t, axis in zip((a, b), in_dims, strict=True)
        ]
        return _apply(*whole), 0

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor | None]:
        a, b = ctx.saved_tensors
        needs_a, needs_b = ctx.needs_input_grad
        return (
            _apply(gradient, b.mT) if needs_a else None,
            _apply(a.mT, gradient) if needs_b else None,
        )


def _apply(a: Tensor, b: Tensor) -> Tensor:
    result: Tensor = _Product.apply(a, b)  # type: ignore[no-untyped-call]
    return result


def _shared(b: Tensor) -> bool:
    return b.dim() > 2 and b.shape[-3] > 1 and b.stride(-3) == 0
