"""Task distributions from the plain dict of a study spec, from a kind, or as somebody made them."""

from collections.abc import Mapping
from pathlib import Path

import torch

from metaopt.errors import InvalidTasks
from metaopt.messages import as_kind, shown
from metaopt.options import Options
from metaopt.tasks.base import OfOtherWays, Tasks
from metaopt.tasks.kind import TaskKind
from metaopt.tasks.registry import TASKS


def make_tasks(
    spec: Options,
    *,
    kind: TaskKind | None = None,
    device: str | torch.device = "cpu",
    dtype: torch.dtype = torch.float32,
    path: Path | None = None,
) -> Tasks:
    """The task distribution that `spec` describes, with its data on `device`.

    Args:
        spec: `kind` and its options, as in a study spec's `tasks`; shots are ignored here.
        kind: Of `spec`; None looks it up.
        dtype: Float type of the episodes.
        path: A user's own copy of the data, where the kind has data; None takes the shipped one.

    Raises:
        InvalidTasks: unknown kind or option, a value that breaks its rule, or data that cannot be
            read.
    """
    kind = kind or TASKS.get(spec.get("kind"))
    tasks: Tasks = kind.make(kind.complete(spec), device, dtype, path)
    return tasks


def tasks_of(
    tasks: Tasks | TaskKind | Options, *, device: str | torch.device, dtype: torch.dtype
) -> Tasks:
    """The tasks that somebody means: his own, a kind's with its defaults, or a spec's.

    Raises:
        InvalidTasks: As `make_tasks`, or these are no tasks at all.
    """
    if isinstance(tasks, Mapping):
        return make_tasks(tasks, device=device, dtype=dtype)
    if isinstance(tasks, TaskKind):
        return make_tasks({}, kind=tasks, device=device, dtype=dtype)
    return own_tasks(tasks)


def metric_of(tasks: Tasks | TaskKind | Options) -> str | None:
    """By what such tasks are scored; None of an object of somebody's own.

    Raises:
        InvalidTasks: an unknown kind, or a metric that it has not.
    """
    if isinstance(tasks, TaskKind):
        return tasks.metric({}).name
    if isinstance(tasks, Mapping):
        kind = TASKS.get(tasks.get("kind"))
        return kind.metric(kind.complete(tasks)).name
    return None


def own_tasks(tasks: object) -> Tasks:
    """`tasks` itself, an object of somebody's own.

    Raises:
        InvalidTasks: It has not what `Tasks` have.
    """
    lacking = [name for name in _NEEDED if not hasattr(tasks, name)]
    if isinstance(tasks, type) or lacking:
        meant = as_kind(tasks, TASKS.names())
        raise InvalidTasks(
            f"tasks must be a dict with a kind ({', '.join(TASKS.names())}) and its options, a "
            f"TaskKind, or an object with {', '.join(_NEEDED)}, got {shown(tasks)}{meant}"
        )
    return tasks  # type: ignore[return-value]


def with_ways(tasks: Tasks, split: str, n_way: int, asked_by: str) -> Tasks:
    """The same tasks of a split with another number of classes; 0 is their own.

    Args:
        asked_by: Name of the parameter that asks for it.

    Raises:
        InvalidTasks: they cannot be drawn so.
    """
    if not n_way:
        return tasks
    if not isinstance(tasks, OfOtherWays):
        raise InvalidTasks(
            f"{asked_by} must be 0 for tasks {type(tasks).__name__}, which are not drawn with "
            f"another number of classes than their own, got {n_way}"
        )
    try:
        return tasks.with_ways(split, n_way)
    except InvalidTasks as error:
        raise InvalidTasks(f"{asked_by}: {error}") from None


_NEEDED = ("input_shape", "outputs", "classification", "sample")
