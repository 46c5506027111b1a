"""Kinds of which nothing is known but that a stored spec names them: enough to show it.

A plug-in's description stays in the database, so this is for the rest: for a client, who has no
database, for a kind that another version of metaopt had, for a row from elsewhere.  Nobody can
choose such a kind or train by it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from metaopt.algorithms.algorithm import NEEDED, Algorithm, Values
from metaopt.errors import InvalidMetaParameter, InvalidModel, InvalidTasks
from metaopt.metaparams import MetaParam, Value
from metaopt.metrics.registry import METRICS
from metaopt.models.kind import ModelKind, Size
from metaopt.models.module_kind import ModuleKind
from metaopt.options import Options
from metaopt.plugins.description import FAMILIES
from metaopt.tasks.kind import METRIC, SHOTS, TaskKind
from service.wire.spec.named import named_kinds

VANISHED = "Nothing is known of it here."


@dataclass(frozen=True, eq=False)
class VanishedAlgorithm(Algorithm):
    """An algorithm that takes whatever it was given."""

    def complete(self, values: Values) -> dict[str, Value]:
        """The values as they are, and the default of what every algorithm has."""
        return {**{param.name: param.default for param in self.params}, **values}

    def structure(self, values: Values) -> dict[str, Value]:
        """Every choice: no other can be told."""
        return {name: value for name, value in values.items() if isinstance(value, str)}


def remember_vanished(spec: Any) -> None:
    """Have a record of each kind that a spec names and nothing is known of."""
    for kind in named_kinds(spec):
        if not kind.known:
            FAMILIES[kind.family].remember(_STAND_INS[kind.family](kind.name, kind.part))


def likely_metric(tasks: Options) -> str:
    """What tasks of a vanished kind were scored by, judged by their options."""
    if (named := tasks.get(METRIC)) in METRICS.names():
        return str(named)
    return "accuracy" if "n_way" in tasks else "mse"


def _tasks(name: str, part: Mapping[str, Any]) -> TaskKind:
    metric = METRICS.get(likely_metric(part))
    return TaskKind(
        name=name,
        doc=VANISHED,
        options=SHOTS,
        metrics=(metric.name,),
        make=_refuse_tasks,
        input_shape=lambda options: (1,),
        outputs=lambda options: int(options.get("n_way", 1)) if metric.classification else 1,
    )


def _model(name: str, part: Mapping[str, Any]) -> ModelKind:
    return ModelKind(
        name=name, doc=VANISHED, options=(), make=_refuse_model, size=lambda *shapes: Size(0, 0)
    )


def _algorithm(name: str, part: Mapping[str, Any]) -> Algorithm:
    params = tuple(
        MetaParam(param, "float", 0.0, "1", VANISHED, "unknown", low=0.0, high=1.0)
        for param in (*NEEDED, "inner_lr", "inner_steps", "test_steps", "outer_lr")
    )
    return VanishedAlgorithm(
        name=name,
        params=params,
        outer_rate="outer_lr",
        draw=_refuse_algorithm,
        meta_gradient=_refuse_algorithm,
        meta_learns=False,  # a verdict may have named it
    )


def _refuse_tasks(*given: object) -> Any:
    raise InvalidTasks("nothing is known here of tasks of this kind but their name")


def _refuse_model(*given: object) -> Any:
    raise InvalidModel("nothing is known here of a model of this kind but its name")


def _refuse_algorithm(*given: object, **named: object) -> Any:
    raise InvalidMetaParameter("nothing is known here of this algorithm but its name")


def _module(name: str, part: Mapping[str, Any]) -> ModuleKind:
    return ModuleKind(name=name, doc=VANISHED, options=(), source=_refuse_model, takes_any=True)


_STAND_INS = {"tasks": _tasks, "models": _model, "modules": _module, "algorithms": _algorithm}
