"""Gradients of every lane's loss at once."""

import torch
from torch import Tensor

from metaopt.errors import InvalidModel
from metaopt.models.base import Model, Params


def check_second_derivatives(model: Model, algorithm: str) -> None:
    """Refuse a model that an algorithm would have to differentiate twice, and cannot.

    Raises:
        InvalidModel: it is somebody's module and has first derivatives alone.
    """
    lacking = getattr(model, "no_second_derivative", None)
    if lacking:
        raise InvalidModel(
            f"the model has no second derivatives ({lacking}), which {algorithm} needs: take "
            "Reptile, or MAML with order = first"
        )


def gradient_of(loss: Tensor, params: Params, *, create_graph: bool = False) -> Params:
    """The gradient of each loss (*B,) by the parameters of its own lane, task or both.

    Args:
        loss: No element may depend on the parameters of another.
        params: With leading axes that those of `loss` begin with; of those that the loss does not
            depend on the gradient is 0.
        create_graph: Whether it will be differentiated again.
    """
    found = torch.autograd.grad(
        loss.sum(), list(params.values()), create_graph=create_graph, materialize_grads=True
    )
    return dict(zip(params, found, strict=True))


def gradient_where_any(loss: Tensor, params: Params) -> Params:
    """`gradient_of` without those that the loss does not depend on."""
    found = torch.autograd.grad(loss.sum(), list(params.values()), allow_unused=True)
    return {name: g for name, g in zip(params, found, strict=True) if g is not None}


def gradient_through(
    after: Params, before: Params, gradient: Params, *, retain_graph: bool = False
) -> Params:
    """The gradient by `before`, of which `after` was made, given that by `after`.

    Args:
        retain_graph: Whether there will be another one.
    """
    found = torch.autograd.grad(
        [after[name] for name in gradient],
        list(before.values()),
        list(gradient.values()),
        retain_graph=retain_graph,
        materialize_grads=True,
    )
    return dict(zip(before, found, strict=True))
