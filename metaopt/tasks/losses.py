"""A loss of somebody's own: which it is, and that it is one."""

from collections.abc import Callable

import torch
from torch import Tensor

from metaopt.errors import InvalidTasks, in_words
from metaopt.messages import shown
from metaopt.tasks.base import Tasks, WithLoss
from metaopt.tasks.kind import TaskKind

Loss = Callable[[Tensor, Tensor], Tensor]
"""(outputs (*B, N, C), y (*B, N, …)) -> the mean loss of each task (*B,)."""

_TOLERANCE = 1e-4  # of float32, relative to the largest loss


def own_loss(tasks: Tasks, kind: TaskKind | None) -> Loss | None:
    """The loss of an object of tasks, or else of its kind; None is that of their targets."""
    if isinstance(tasks, WithLoss):
        return tasks.loss
    return None if kind is None else kind.loss


def check_loss(loss: Loss, tasks: Tasks, k_shot: int, q_query: int, device: str) -> None:
    """Refuse what is no loss for these tasks, by trying it on four of them.

    That a loss is not finite is no error: the trial diverges.

    Raises:
        InvalidTasks: it gives another shape than one number a task, has no gradient, or one task's
            loss depends on the others beside it.
    """
    drawn = tasks.sample("train", torch.arange(4, device=device).reshape(2, 2), k_shot, q_query)
    y = drawn.support.y if k_shot else drawn.query.y
    dtype = drawn.support.x.dtype
    examples = drawn.support.x.shape[2] if k_shot else drawn.query.x.shape[2]
    generator = torch.Generator().manual_seed(0)
    outputs = torch.rand(2, 2, examples, tasks.outputs, generator=generator, dtype=torch.float64)
    outputs = outputs.to(device, dtype).requires_grad_()
    with torch.enable_grad():
        together = checked(loss, outputs, y)
        alone = [[checked(loss, outputs[i, j], y[i, j]) for j in (0, 1)] for i in (0, 1)]
    each = torch.stack([torch.stack(row) for row in alone])
    off, scale = (together - each).abs().nan_to_num().max(), each.abs().nan_to_num().max()
    if bool(off > _TOLERANCE * scale.clamp(min=1e-30)):
        raise InvalidTasks(
            f"the loss {_name(loss)} of a task depends on the tasks beside it: reduce over the "
            "last axes alone, as .mean((-2, -1))"
        )


def checked(loss: Loss, outputs: Tensor, y: Tensor) -> Tensor:
    """What `loss` gives, if it is one number a task with a gradient.

    Raises:
        InvalidTasks: it is not, or the function fails.
    """
    try:
        losses = loss(outputs, y)
    except Exception as error:
        raise InvalidTasks(
            f"the loss {_name(loss)} fails for outputs of shape {tuple(outputs.shape)} and targets "
            f"of shape {tuple(y.shape)}: {in_words(error)}"
        ) from error
    wanted = tuple(outputs.shape[:-2])
    if not isinstance(losses, Tensor) or tuple(losses.shape) != wanted:
        got = tuple(losses.shape) if isinstance(losses, Tensor) else shown(losses)
        raise InvalidTasks(
            f"the loss {_name(loss)} must give one number for each task, of shape {wanted} for "
            f"outputs of shape {tuple(outputs.shape)}, got {got}"
        )
    if outputs.requires_grad and torch.is_grad_enabled() and not losses.requires_grad:
        raise InvalidTasks(
            f"the loss {_name(loss)} has no gradient: it must be computed from the outputs by "
            "operations that torch can differentiate"
        )
    return losses


def _name(loss: Loss) -> str:
    return getattr(loss, "__name__", type(loss).__name__)
