"""Tasks and models that stand in no registry: what somebody made in a notebook.

A signature names them by their class, so it tells them apart only roughly: lanes of one population
share them anyway, but their programs are not compiled, and whoever reads a checkpoint of theirs has
to bring them again.
"""

from collections.abc import Callable, Mapping
from typing import Any

import torch

from metaopt.errors import InvalidModel, InvalidTasks, MetaoptError
from metaopt.models.base import Model
from metaopt.models.kind import ModelKind, Size
from metaopt.models.registry import MODELS
from metaopt.options import Option, Options, with_defaults
from metaopt.tasks.base import Tasks
from metaopt.tasks.kind import SHOTS, TaskKind
from metaopt.tasks.registry import TASKS

AnyTasks = Tasks | TaskKind | Options
"""A distribution, a kind with its defaults, or the dict of a study spec."""

ModelFactory = Callable[[tuple[int, ...], int], Model]
"""(input_shape, outputs) -> a model of that size."""

AnyModel = Model | ModelKind | ModelFactory | Options
"""A model, a kind with its defaults, a function that makes one, or the dict of a study spec."""


def tasks_spec(
    tasks: AnyTasks, *, k_shot: int | None = None, q_query: int | None = None
) -> dict[str, Any]:
    """The options of `tasks` as a signature has them.

    Args:
        k_shot, q_query: In place of the options' own, or of the defaults of `SHOTS`.
    """
    if isinstance(tasks, Mapping):
        spec = dict(tasks)
        if (kind := task_kind(None, spec.get("kind"))) is not None:
            _check_names(f"tasks {kind.name}", spec, kind.options, InvalidTasks)
    elif isinstance(tasks, TaskKind):
        spec = with_defaults(tasks.options, {"kind": tasks.name})
    else:
        spec = with_defaults(SHOTS, {"kind": type(tasks).__name__})
    shots = {"k_shot": k_shot, "q_query": q_query}
    return spec | {name: count for name, count in shots.items() if count is not None}


def model_spec(model: AnyModel) -> dict[str, Any]:
    """The options of `model` as a signature has them."""
    if isinstance(model, Mapping):
        if (name := model.get("kind")) in MODELS.names():
            _check_names(f"model {name}", model, MODELS.get(name).options, InvalidModel)
        return dict(model)
    kind = model_kind(model)
    return with_defaults(kind.options, {"kind": kind.name})


def task_kind(tasks: AnyTasks | None, kind: object) -> TaskKind | None:
    """The record behind tasks of that `kind`, if it has one."""
    if isinstance(tasks, TaskKind):
        return tasks
    return TASKS.get(kind) if kind in TASKS.names() else None


def model_kind(model: Model | ModelKind | ModelFactory) -> ModelKind:
    """A record for `model`, which is its own where it is one."""
    if isinstance(model, ModelKind):
        return model
    if isinstance(model, type) or not hasattr(model, "shapes"):
        return _record(getattr(model, "__name__", type(model).__name__), model)
    return _record(type(model).__name__, _fitting(model))


def _record(name: str, factory: Any) -> ModelKind:
    def make(options: Options, input_shape: tuple[int, ...], outputs: int) -> Any:
        return factory(input_shape, outputs)

    return ModelKind(name, "A model of your own.", (), make, lambda *shapes: Size(0, 0))


def _fitting(model: Any) -> ModelFactory:
    def same(input_shape: tuple[int, ...], outputs: int) -> Any:
        if tuple(model.input_shape) != input_shape:
            raise InvalidModel(
                f"the model takes inputs of shape {tuple(model.input_shape)}, the tasks give "
                f"{input_shape}"
            )
        _check_outputs(model, input_shape, outputs)
        return model

    return same


def _check_outputs(model: Any, input_shape: tuple[int, ...], outputs: int) -> None:
    with torch.no_grad():
        weights = model.init(torch.zeros(1, dtype=torch.int64), torch.float32)
        width = model.apply(weights, torch.zeros(1, 2, *input_shape)).shape[-1]
    if width != outputs:
        raise InvalidModel(f"the model gives {width} numbers, the tasks need {outputs}")


def _check_names(
    owner: str, given: Options, options: tuple[Option, ...], error: type[MetaoptError]
) -> None:
    names = [option.name for option in options]
    unknown = sorted(set(given) - {"kind", *names})
    if unknown:
        has = f"it has {', '.join(names)}" if names else "it has none"
        raise error(f"{owner} has no option {unknown[0]!r}; {has}")
