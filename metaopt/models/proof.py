"""The proof of a lifted module, before its first use: its lanes against a plain loop.

Three lanes of two tasks each, in float64: the meta-gradient of one inner step, of first and of
second order, must be that of a loop which calls the module as its author wrote it, once for each
lane and task.  That finds batching rules that are missing, wrong, or not differentiable twice; the
loop needs none of them.
"""

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap

from metaopt.errors import InvalidModel, in_words
from metaopt.models.base import Params
from metaopt.models.lifted import Lifted, constants
from metaopt.models.modules import Watch, call, differentiable_twice, layer_name

LANES, TASKS, EXAMPLES = 3, 2, 4
TOLERANCE = 1e-9
"""Of the largest entry of the gradient."""

RATE = 0.01


def prove(model: Lifted) -> None:
    """Compare the lanes of `model` with a plain loop, and let it run lane by lane if they differ.

    Sets `Lifted.lane_by_lane`, `Lifted.mixes_examples`, `Lifted.no_second_derivative` and
    `Lifted.features`.  It takes as long as a few meta-iterations in float64: a small part of a
    second for a small model.

    Raises:
        InvalidModel: its gradients are not finite, or it is not the same function from call to
            call.

    Warns:
        UserWarning: it runs lane by lane, and why.
    """
    with _doubles():
        problem, expected = _expected(model)
        model.lane_by_lane = _difference(model, problem, expected)
        if model.lane_by_lane is not None:
            left = _difference(model, problem, expected)
            if left is not None:
                raise InvalidModel(
                    f"model {model.name} is not the same function from call to call, as lanes "
                    f"and as a loop: {left}"
                )
            warnings.warn(
                f"model {model.name} is computed lane by lane, which is slow, because "
                f"{model.lane_by_lane}",
                stacklevel=2,
            )
        model.mixes_examples = _mixing(model, problem)
        model.features = model.below_head if _is_affine_at_last(model, problem) else None


class _Problem(NamedTuple):
    """Weights (3, …), and inputs and targets of the tasks (3, 2, 4, …)."""

    phi: Params
    episodes: tuple[Tensor, Tensor, Tensor, Tensor]


@contextmanager
def _doubles() -> Iterator[None]:
    # What a forward pass makes by itself, as a first hidden state, is then float64 as well.
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        with torch.device("cpu"):
            yield
    finally:
        torch.set_default_dtype(before)


def _problem(model: Lifted, lowest: float) -> _Problem:
    generator = torch.Generator().manual_seed(0)

    def drawn(*shape: int) -> Tensor:
        return torch.rand(LANES, *shape, generator=generator)

    start = model.init(torch.zeros(1, dtype=torch.int64), torch.float64)
    phi = {  # not the same for all lanes, nor zero
        name: p + (drawn(*p.shape[1:]) - 0.5) * (0.02 + 0.2 * p.abs()) for name, p in start.items()
    }
    support, query = (lowest + drawn(TASKS, EXAMPLES, *model.input_shape) for _ in range(2))
    support_y, query_y = (drawn(TASKS, EXAMPLES, model.outputs) for _ in range(2))
    return _Problem(phi, (support, support_y, query, query_y))


def _expected(model: Lifted) -> tuple[_Problem, dict[bool, Tensor]]:
    """A problem whose gradients are finite, and they: of first order and, where it is, of second.

    Sets `Lifted.no_second_derivative`.
    """
    for lowest in (0.0, 1.0):  # 0 may be what a model takes for padding
        problem = _problem(model, lowest)
        gradients = {False: _one_by_one(model, problem, second=False)}
        try:
            gradients[True] = _one_by_one(model, problem, second=True)
        except RuntimeError as error:
            model.no_second_derivative = in_words(error)
        if all(bool(gradient.isfinite().all()) for gradient in gradients.values()):
            return problem, gradients
    raise InvalidModel(
        f"model {model.name} has gradients that are not finite, for inputs in [0, 1) and in [1, 2)"
    )


def _one_by_one(model: Lifted, problem: _Problem, second: bool) -> Tensor:
    """The meta-gradients (3, P) of the module as its author wrote it, by a loop."""
    fixed = constants(model.module, model.shapes, torch.device("cpu"), torch.float64)
    buffers = dict(model.module.named_buffers())

    def outputs(theta: Params, x: Tensor) -> Tensor:
        own = {name: t.clone() if name in buffers else t for name, t in fixed.items()}
        with differentiable_twice(model.recurrent):
            result: Tensor = call(model.module, {**theta, **own}, x)
        return result

    def loss(leaves: Params) -> Tensor:
        losses = []
        for lane in range(LANES):
            theta = {name: p[lane] for name, p in leaves.items()}
            for task in range(TASKS):
                episode = [tensor[lane, task] for tensor in problem.episodes]
                losses.append(_query_loss(model, outputs, theta, episode, second))
        return torch.stack(losses).sum()

    return _gradient(loss, problem.phi)


def _difference(model: Lifted, problem: _Problem, expected: dict[bool, Tensor]) -> str | None:
    """Why the lanes of `model` are not what the loop gives; None where they are."""
    try:
        found = {second: _as_lanes(model, problem, second) for second in expected}
    except _Failed as failed:
        return str(failed)
    worst = max(
        float((found[second] - plain).abs().max() / plain.abs().max().clamp(min=1e-300))
        for second, plain in expected.items()
    )
    if worst <= TOLERANCE:
        return None
    return f"{_culprit(model, problem)} has other derivatives as lanes, off by {worst:.0e}"


class _Failed(Exception):
    """Why lanes could not be computed at all."""


def _as_lanes(model: Lifted, problem: _Problem, second: bool) -> Tensor:
    """The meta-gradients (3, P) of `model`."""

    def loss(leaves: Params) -> Tensor:
        theta = {name: p[:, None].expand(-1, TASKS, *p.shape[1:]) for name, p in leaves.items()}
        return _query_loss(model, model.apply, theta, problem.episodes, second)

    with Watch(model.mapped) as watch:
        try:
            return _gradient(loss, problem.phi)
        except Exception as error:
            reason = f"{watch.inside or 'it'} cannot be mapped: {in_words(error)}"
    raise _Failed(reason)


def _query_loss(
    model: Lifted,
    outputs: Callable[[Params, Tensor], Tensor],
    theta: Params,
    episode: Sequence[Tensor],
    second: bool,
) -> Tensor:
    """L(θ − α ∇L(θ; support); query), summed over lanes and tasks."""
    x, y, query_x, query_y = episode
    names = [name for name in theta if name not in model.not_adapted]
    loss = _loss(outputs(theta, x), y)
    gradients = torch.autograd.grad(loss, [theta[name] for name in names], create_graph=second)
    moved = {name: theta[name] - RATE * g for name, g in zip(names, gradients, strict=True)}
    return _loss(outputs({**theta, **moved}, query_x), query_y)


def _loss(outputs: Tensor, y: Tensor) -> Tensor:
    return (outputs - y).square().mean((-2, -1)).sum()


def _gradient(loss: Callable[[Params], Tensor], phi: Params) -> Tensor:
    leaves = {name: p.detach().requires_grad_() for name, p in phi.items()}
    gradients = torch.autograd.grad(loss(leaves), list(leaves.values()))
    return torch.cat([g.flatten(1) for g in gradients], dim=1)


def _mixing(model: Lifted, problem: _Problem) -> str | None:
    """Why an evaluation may not take statistics from the support set alone; None where it may."""
    phi = {name: p[0] for name, p in problem.phi.items()}
    support, query = problem.episodes[0][0, 0], problem.episodes[2][0, 0]
    try:
        with torch.no_grad():
            alone = model.apply(phi, support)
            every, fewer = (
                model.apply(phi, torch.cat([support, rest]), reference=EXAMPLES)
                for rest in (query, query[:1])
            )
    except Exception as error:
        return in_words(error)
    off = (every[: EXAMPLES + 1] - torch.cat([alone, fewer[EXAMPLES:]])).abs().max()
    off = max(off, (fewer[:EXAMPLES] - alone).abs().max())
    if bool(off <= TOLERANCE * alone.abs().max().clamp(min=1e-300)):
        return None
    return "an example's outputs depend on the others in another way than through batch norm"


def _is_affine_at_last(model: Lifted, problem: _Problem) -> bool:
    """Whether outputs are those of a linear layer whose inputs do not depend on its parameters."""
    if type(model.head_layer) is not nn.Linear:
        return False
    phi = {name: p[:, None].detach().requires_grad_() for name, p in problem.phi.items()}
    x, head = problem.episodes[0], [phi[name] for name in model.head]
    try:
        features = model.below_head(phi, x[:, :1])
        again, outputs = model.answer(phi, features), model.apply(phi, x[:, :1])
        found = (
            [None]
            if not features.requires_grad
            else torch.autograd.grad(features.sum(), head, allow_unused=True)
        )
    except Exception:  # as where it is called by another name of its argument, or for each token
        return False
    apart = all(gradient is None or not gradient.any() for gradient in found)
    off = (again - outputs).abs().max() if again.shape == outputs.shape else torch.inf
    return apart and bool(off <= TOLERANCE * outputs.abs().max().clamp(min=1e-300))


def _culprit(model: Lifted, problem: _Problem) -> str:
    """The first layer whose lanes are not what a loop gives, as messages call it."""
    phi = {name: p[0] for name, p in problem.phi.items()}
    with Watch(model.mapped) as watch, torch.no_grad():
        model.apply(phi, problem.episodes[0][0, 0])
    for name, layer in model.mapped.named_modules():
        if not any(layer.children()) and name in watch.inputs:
            if not _lanes_of_layer_agree(layer, *watch.inputs[name]):
                return layer_name(name, layer)
    return layer_name("", model.mapped)


def _lanes_of_layer_agree(
    layer: nn.Module, given: tuple[Any, ...], named_arguments: dict[str, Any]
) -> bool:
    """Whether outputs and derivatives of three lanes are what three calls give.

    A layer that cannot be called by itself, or has no derivatives, is not to blame.
    """
    floats = {i: t for i, t in enumerate(given) if _floating(t)}
    named = {name: p.detach().double() for name, p in layer.named_parameters()}
    fixed = constants(layer, named, torch.device("cpu"), torch.float64)
    scale = 1 + 0.1 * torch.arange(LANES)
    leaves = [
        (scale.reshape(-1, *(1,) * t.dim()) * t).requires_grad_()
        for t in (*floats.values(), *named.values())
    ]

    def one(*tensors: Tensor) -> Tensor:
        own = dict(zip(floats, tensors, strict=False))
        weights = dict(zip(named, tensors[len(floats) :], strict=True))
        copies = {name: t.clone() for name, t in fixed.items()}
        arguments = tuple(own.get(i, argument) for i, argument in enumerate(given))
        result = functional_call(layer, {**weights, **copies}, arguments, named_arguments)
        parts = result if isinstance(result, tuple | list) else (result,)
        return torch.cat([t.flatten() for t in parts if _floating(t)])

    def derivatives(outputs: Tensor) -> Tensor:
        first = _grad(outputs.sin().sum(), leaves, create_graph=True)
        second = _grad(first.square().sum(), leaves)
        return torch.cat([outputs.detach().flatten(), first.detach(), second])

    with differentiable_twice(isinstance(layer, nn.RNNBase)):
        try:
            looped = derivatives(torch.stack([one(*(t[i] for t in leaves)) for i in range(LANES)]))
        except Exception:
            return True
        try:
            mapped = derivatives(vmap(one)(*leaves))
        except Exception:
            return False
    return bool((mapped - looped).abs().max() <= TOLERANCE * looped.abs().max())


def _grad(of: Tensor, leaves: Sequence[Tensor], *, create_graph: bool = False) -> Tensor:
    found = torch.autograd.grad(of, leaves, create_graph=create_graph, materialize_grads=True)
    return torch.cat([g.flatten() for g in found])


def _floating(value: object) -> bool:
    return isinstance(value, Tensor) and value.is_floating_point()
