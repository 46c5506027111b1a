"""Tasks and models that stand in no registry: what somebody made in a notebook.

A signature names them by their class, so it tells them apart only roughly: lanes of one population
share them anyway, but their programs are traced for a name (`Population.program_path`), and whoever
reads a checkpoint of theirs has to bring them again.
"""

import inspect
from collections.abc import Callable, Mapping
from typing import Any

import torch

from metaopt.algorithms.registry import ALGORITHMS
from metaopt.errors import InvalidModel, InvalidTasks
from metaopt.messages import as_kind, shown
from metaopt.models.base import Model
from metaopt.models.kind import ModelKind
from metaopt.models.lift import lift
from metaopt.models.modules import AnyModule, is_module, seeded
from metaopt.models.registry import MODELS
from metaopt.options import Options, complete
from metaopt.population.step import Program
from metaopt.registry import Named, Registry
from metaopt.tasks.base import Tasks
from metaopt.tasks.kind import SHOTS, TaskKind
from metaopt.tasks.make import own_tasks
from metaopt.tasks.registry import TASKS

AnyTasks = Tasks | TaskKind | Options
"""A distribution, a kind with its defaults, or the dict of a study spec."""

ModelFactory = Callable[[tuple[int, ...], int], Model]
"""(input_shape, outputs) -> a model of that size."""

AnyModel = Model | ModelKind | ModelFactory | AnyModule | Options
"""A model or a module, a kind with its defaults, what makes one, or the dict of a study spec."""


def tasks_spec(
    tasks: AnyTasks, *, k_shot: int | None = None, q_query: int | None = None
) -> dict[str, Any]:
    """The options of `tasks` as a signature has them, checked, with every default.

    Args:
        k_shot, q_query: In place of the options' own, or of the defaults of `SHOTS`.

    Raises:
        InvalidTasks: they are no tasks, or an option is unknown or breaks its rule.
    """
    given = {"k_shot": k_shot, "q_query": q_query}
    shots = {name: count for name, count in given.items() if count is not None}
    if isinstance(tasks, Mapping):
        return TASKS.get(tasks.get("kind")).complete({**tasks, **shots})
    if isinstance(tasks, TaskKind):
        return tasks.complete(shots)
    kind = type(own_tasks(tasks)).__name__
    return {"kind": kind, **complete("tasks", SHOTS, shots, InvalidTasks)}


def model_spec(model: AnyModel) -> dict[str, Any]:
    """The options of `model` as a signature has them, checked, with every default.

    Raises:
        InvalidModel: it is no model, or an option is unknown or breaks its rule.
    """
    if isinstance(model, Mapping):
        return MODELS.get(model.get("kind")).complete(model)
    return model_kind(model).complete({})


def model_for(tasks: AnyTasks, spec: Options) -> dict[str, Any]:
    """The model of tasks for which none is named: conv4 for images, else mlp.

    Args:
        spec: Of `tasks`, complete.
    """
    kind = tasks if isinstance(tasks, TaskKind) else None
    if isinstance(tasks, Mapping):
        kind = TASKS.get(spec["kind"])
    shape = kind.shape(spec) if kind else own_tasks(tasks).input_shape
    return {"kind": "conv4" if len(shape) == 3 else "mlp"}


def task_kind(tasks: AnyTasks | None, kind: object) -> TaskKind | None:
    """The record behind tasks of that `kind`, if it has one."""
    if isinstance(tasks, TaskKind):
        return tasks
    return TASKS.get(kind) if kind in TASKS.names() else None


def model_kind(model: object) -> ModelKind:
    """A record for `model`, which is its own where it is one.

    Raises:
        InvalidModel: it is no model and makes none.
    """
    if isinstance(model, ModelKind):
        return model
    if is_module(model):
        return lift(model)  # type: ignore[arg-type]
    if not isinstance(model, type) and hasattr(model, "shapes"):
        return _record(type(model).__name__, _fitting(model))
    if not _makes_models(model):
        meant = as_kind(model, MODELS.names())
        raise InvalidModel(
            f"model must be a dict with a kind ({', '.join(MODELS.names())}) and its options, a "
            "ModelKind, a torch.nn.Module or its class, an object with shapes, init and apply, or "
            f"a function (input_shape, outputs) that returns one, got {shown(model)}{meant}"
        )
    return _record(getattr(model, "__name__", type(model).__name__), model)


def named_by_signature(program: Program, tasks: object) -> bool:
    """Whether the names of a signature say what its program computes.

    Args:
        tasks: As the population was given them.
    """
    kinds, learner = program.kinds, program.learner
    module = getattr(learner.model, "module", None)
    ours = module is None or type(module).__module__.startswith("metaopt.")
    return (
        ours
        and learner.own_loss is None
        and not (isinstance(tasks, TaskKind) and tasks not in TASKS.kinds())
        and TASKS.is_ours(program.signature.tasks.get("kind"))
        and _is_ours(ALGORITHMS, kinds.algorithm)
        and _is_ours(MODELS, kinds.model)
    )


def _is_ours(registry: Registry[Any], kind: Named) -> bool:
    return registry.is_ours(kind.name) and registry.get(kind.name) is kind


def check_order(model: object, order: object) -> None:
    """Refuse meta-gradients of an order that a model has not.

    Raises:
        InvalidModel: `order` is "second", and somebody's module has first derivatives alone.
    """
    lacking = getattr(model, "no_second_derivative", None)
    if order == "second" and lacking:
        raise InvalidModel(
            f"the model has no second derivatives ({lacking}): give order = first, or take Reptile"
        )


def _makes_models(model: object) -> bool:
    if not callable(model):
        return False
    try:
        inspect.signature(model).bind((), 1)
    except TypeError:
        return False
    except ValueError:  # written in C: it has no signature to ask
        pass
    return True


def _record(name: str, factory: Any) -> ModelKind:
    lifted = lift(factory)

    def make(options: Options, input_shape: tuple[int, ...], outputs: int) -> Any:
        made = seeded(lambda: factory(input_shape, outputs), 0)
        if isinstance(made, torch.nn.Module):
            return lifted.make(lifted.complete({}), input_shape, outputs)
        return made

    return ModelKind(name, "A model of your own.", (), make)


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
