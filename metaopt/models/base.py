"""What a model is: an initialiser and a pure function over a dict of tensors.

Every parameter has leading axes B (lanes, or lanes and tasks) before its own shape, and
`apply` treats each element of B alone: it is one batched program, so nothing needs `vmap`, and
derivatives of any order are those of plain autograd.  `Layout` turns the dict into one flat
vector per lane and back, so that optimizers, freezing and checkpoints are single operations.
"""

import math
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor
from torch.fx.experimental.proxy_tensor import get_proxy_mode

Params = dict[str, Tensor]


class Model(Protocol):
    """A model for inputs and outputs of given shapes."""

    @property
    def input_shape(self) -> tuple[int, ...]:
        """The shape of one input."""
        ...

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The shape of each parameter of one lane, in a fixed order."""
        ...

    @property
    def not_adapted(self) -> frozenset[str]:
        """The parameters that the inner loop leaves alone."""
        ...

    def init(self, keys: Tensor, dtype: torch.dtype) -> Params:
        """Return fresh parameters for keys (*B,)."""
        ...

    def apply(self, params: Params, x: Tensor, *, reference: int | None = None) -> Tensor:
        """Return outputs (*B, N, C) for inputs x (*B, N, ...).

        Args:
            params: Parameters with leading axes B.
            x: Inputs; their leading axes broadcast with those of `params`.
            reference: Take batch statistics from the first `reference` examples only; None from
                all N.  Models without batch statistics ignore it.
        """
        ...


class WithHead(Model, Protocol):
    """A model that knows its head, the last layer; that is optional (`metaopt.models.head`).

    Who cannot compute the head apart from the body below it has `features` None, and then neither
    `answer` nor `as_head` is asked for.
    """

    @property
    def head(self) -> tuple[str, ...]:
        """The parameters of the last layer, in the order of `shapes`."""
        ...

    def features(self, params: Params, x: Tensor, *, reference: int | None = None) -> Tensor:
        """Return what the head is applied to (*B, N, D); the arguments are those of `apply`.

        They do not depend on the parameters of the head.
        """
        ...

    def answer(self, params: Params, features: Tensor) -> Tensor:
        """Return outputs (*B, N, C) of features (*B, N, D); `apply` is this of `features`.

        Args:
            params: At least those of the head.
            features: Their leading axes broadcast with those of `params`.
        """
        ...

    def as_head(self, weight: Tensor, bias: Tensor) -> Params:
        """Return the parameters of a head that answers features · weight + bias.

        Args:
            weight: (*B, D, C).
            bias: (*B, C).
        """
        ...


class WithNorms(Model, Protocol):
    """A model that knows its batch norms; that is optional."""

    @property
    def norms(self) -> tuple[str, ...]:
        """The parameters γ and β of all batch norms, in the order of `shapes`."""
        ...


@dataclass(frozen=True)
class Layout:
    """Where each parameter lies in the flat vector of a lane: (*B, P) <-> dict.

    Args:
        shapes: Shape of each parameter, in order.
    """

    shapes: dict[str, tuple[int, ...]]

    @property
    def sizes(self) -> list[int]:
        """The number of entries of each parameter."""
        return [math.prod(shape) for shape in self.shapes.values()]

    @property
    def total(self) -> int:
        """Return P."""
        return sum(self.sizes)

    def flatten(self, params: Params) -> Tensor:
        """Return (*B, P)."""
        return torch.cat(
            [params[name].flatten(-len(s)) if s else params[name][..., None]
             for name, s in self.shapes.items()],
            dim=-1,
        )  # fmt: skip

    def unflatten(self, flat: Tensor) -> Params:
        """The parameters as views of `flat`."""
        parts = flat.split(self.sizes, dim=-1)
        return {
            name: part.unflatten(-1, shape) if shape else part[..., 0]
            for (name, shape), part in zip(self.shapes.items(), parts, strict=True)
        }


def being_compiled() -> bool:
    """Whether operations are traced for a program instead of run for their results."""
    return get_proxy_mode() is not None
