"""Records as plain data, and records of plain data: what others know a plug-in's kinds by.

    worker: kind ──describe──▶ dict ──JSON──▶ record_of ──▶ a record without its code   (everywhere)

A described record checks options and parameters as its original does.  What would run somebody's
code raises `InvalidPlugin`.
"""

import json
import math
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict
from typing import Any, NoReturn

from metaopt.algorithms.algorithm import TARGETS, Algorithm
from metaopt.algorithms.registry import ALGORITHMS
from metaopt.errors import InvalidPlugin, MetaoptError, in_words
from metaopt.messages import shown
from metaopt.metaparams import MetaParam
from metaopt.models.kind import ModelKind
from metaopt.models.module_kind import ModuleKind, ModuleOption
from metaopt.models.registry import MODELS, MODULES
from metaopt.options import Option
from metaopt.plugins.described import Described, Family
from metaopt.registry import Origin, Registry
from metaopt.tasks.kind import METRIC, TaskKind
from metaopt.tasks.registry import TASKS

Kind = TaskKind | ModelKind | ModuleKind | Algorithm

FAMILIES: Mapping[Family, Registry[Any]] = {
    "tasks": TASKS,
    "models": MODELS,
    "modules": MODULES,
    "algorithms": ALGORITHMS,
}
"""The registry of each family."""

RECORDS: Mapping[Family, type[Kind]] = {
    "tasks": TaskKind,
    "models": ModelKind,
    "modules": ModuleKind,
    "algorithms": Algorithm,
}

LONGEST = 2000
"""Characters of a text."""


def describe(kind: Kind) -> dict[str, Any]:
    """The record as plain data, without its functions.

    Raises:
        InvalidPlugin: somebody without its code could not check a spec by it: what has to be known
            is a function, or the record is no plain data.
    """
    form = RECORDS[family_of(kind)]
    try:
        _check_name(kind)
        data: dict[str, Any] = json.loads(json.dumps(_DESCRIBE[form](kind), allow_nan=False))
        _check_texts(kind.name, data)
        _RECORD_OF[form](data, kind.name)
    except InvalidPlugin:
        raise
    except Exception as error:  # a field may hold anything
        name = getattr(kind, "name", kind)
        raise InvalidPlugin(f"the record {shown(name)} is none: {in_words(error)}") from error
    return data


def family_of(kind: object) -> Family:
    """The family of a record.

    Raises:
        InvalidPlugin: it is none.
    """
    for family, record in RECORDS.items():
        if isinstance(kind, record):
            return family
    raise InvalidPlugin(
        f"a plug-in must be a TaskKind, a ModelKind, an Algorithm or a class of torch.nn.Module, "
        f"got {shown(kind)}"
    )


def record_of(described: Described) -> Kind:
    """The record that was described, without functions that run its author's code.

    Raises:
        InvalidPlugin: it cannot be used, or is of another version of metaopt.
    """
    what = f"{described.package} {described.version}".strip()
    if described.record is None:
        raise InvalidPlugin(described.refused or f"{described.name} of {what} is not described")
    try:
        return _RECORD_OF[RECORDS[described.family]](
            described.record, f"{described.name} of {what}"
        )
    except (MetaoptError, KeyError, TypeError, ValueError) as error:
        raise InvalidPlugin(
            f"{described.name} of {what} was described by another version of metaopt: "
            f"{in_words(error)}"
        ) from None


def learn(described: Described) -> Kind:
    """Put the described record into its registry, in place of an earlier one.

    Raises:
        InvalidPlugin: as `record_of`.
        MetaoptError: the registry's own error; a kind of ours has this name.
    """
    origin = Origin(described.package, described.version, described.digest)
    kind: Kind = FAMILIES[described.family].learn(record_of(described), origin)
    return kind


_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}")


def _check_name(kind: Kind) -> None:
    """Refuse names that could not stand in a spec, an address or a file."""
    is_ref = isinstance(kind, ModuleKind)
    if not is_ref and not (isinstance(kind.name, str) and _NAME.fullmatch(kind.name)):
        raise InvalidPlugin(
            "a kind's name must have up to 64 letters, digits, dots, - and _, got "
            f"{shown(kind.name)}"
        )


def _check_once(owner: str, names: Iterable[str]) -> None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise InvalidPlugin(f"{owner} has two of the name {name}")
        seen.add(name)


def _check_texts(owner: str, data: Any) -> None:
    """Refuse texts that no database holds, no page shows, or that fill it."""
    if isinstance(data, Mapping):
        data = [*data, *data.values()]
    if isinstance(data, list):
        for one in data:
            _check_texts(owner, one)
    elif isinstance(data, str):
        if len(data) > LONGEST:
            raise InvalidPlugin(f"a text of {shown(owner)} is longer than {LONGEST}: {shown(data)}")
        if not all(letter.isprintable() or letter in "\n\t" for letter in data):
            raise InvalidPlugin(f"a text of {shown(owner)} cannot be printed: {shown(data)}")


def _as_data(owner: str, field: str, value: Any, instead: str) -> Any:
    """`value`, which must be no function."""
    if callable(value):
        raise InvalidPlugin(
            f"{field} of {owner} is a function, which a server never calls: give {instead}"
        )
    return value


def _bound(number: float) -> float | None:
    return number if math.isfinite(number) else None


def _bounds(data: Mapping[str, Any]) -> dict[str, Any]:
    low, high = data["minimum"], data["maximum"]
    return {
        **data,
        "minimum": -math.inf if low is None else low,
        "maximum": math.inf if high is None else high,
        "choices": tuple(data["choices"]),
    }


def _option(owner: str, option: Option) -> dict[str, Any]:
    if not option.name.isidentifier():
        raise InvalidPlugin(f"an option of {owner} must be called by a word, got {option.name!r}")
    if option.type == "record":
        raise InvalidPlugin(
            f"option {option.name} of {owner} is a record, which its own code checks: give options "
            "of other types"
        )
    data = {name: value for name, value in vars(option).items() if name != "parse"}
    return {**data, "minimum": _bound(option.minimum), "maximum": _bound(option.maximum)}


def _options(data: list[Mapping[str, Any]]) -> tuple[Option, ...]:
    return tuple(Option(**_bounds(one)) for one in data)


def _tasks(kind: TaskKind) -> dict[str, Any]:
    owner = f"tasks {kind.name}"
    _check_once(owner, [option.name for option in kind.options])
    shape = 'numbers and names of int options, as (1, "size", "size")'
    return {
        "name": kind.name,
        "doc": kind.doc,
        # The choice of a metric follows from the metrics.
        "options": [_option(owner, option) for option in kind.options if option.name != METRIC],
        "metrics": list(kind.metrics),
        "input_shape": _as_data(owner, "input_shape", kind.input_shape, shape),
        "outputs": _as_data(
            owner, "outputs", kind.outputs, 'a number or the name of an int option, as "n_way"'
        ),
        "examples_per_class": kind.examples_per_class,
        "examples": kind.examples,
        "classifies": _as_data(owner, "classifies", kind.classifies, "true, false or None"),
        **_rare(
            most_ways=_as_data(owner, "most_ways", kind.most_ways, "a number or None"),
            numbered_classes=kind.numbered_classes,
        ),
        **_inputs(owner, kind),
    }


def _inputs(owner: str, kind: TaskKind) -> dict[str, Any]:
    instead = 'a number or the name of an int option, as "horizon"'
    each = _as_data(owner, "example_inputs", kind.example_inputs, instead)
    return {} if each == 1 else {"example_inputs": each}


def _rare(**fields: Any) -> dict[str, Any]:
    """What most records have not is left out, so that older servers read the others."""
    return {name: value for name, value in fields.items() if value}


def _tasks_of(data: Mapping[str, Any], what: str) -> TaskKind:
    parts = {
        "options": _options(data["options"]),
        "metrics": tuple(data["metrics"]),
        "input_shape": tuple(data["input_shape"]),
    }
    return TaskKind(**{**data, **parts}, make=_elsewhere(what))


def _model(kind: ModelKind) -> dict[str, Any]:
    owner = f"model {kind.name}"
    _check_once(owner, [option.name for option in kind.options])
    return {
        "name": kind.name,
        "doc": kind.doc,
        "options": [_option(owner, option) for option in kind.options],
        "batch_statistics": kind.batch_statistics,
    }


def _model_of(data: Mapping[str, Any], what: str) -> ModelKind:
    return ModelKind(**{**data, "options": _options(data["options"])}, make=_elsewhere(what))


def _module(kind: ModuleKind) -> dict[str, Any]:
    return {
        "name": kind.name,
        "doc": kind.doc,
        "options": [asdict(option) for option in kind.options],
        "takes_any": kind.takes_any,
    }


def _module_of(data: Mapping[str, Any], what: str) -> ModuleKind:
    options = tuple(ModuleOption(**option) for option in data["options"])
    return ModuleKind(**{**data, "options": options}, source=_elsewhere(what))


def _algorithm(kind: Algorithm) -> dict[str, Any]:
    owner = f"algorithm {kind.name}"
    _check_once(owner, [param.name for param in kind.params])
    conditions = 'a mapping of options to values under which it unrolls, as {"order": ("second",)}'
    return {
        "name": kind.name,
        "params": [_param(owner, param) for param in kind.params],
        "outer_rate": kind.outer_rate,
        "unrolls": _as_data(owner, "unrolls", kind.unrolls, conditions),
        "of_the_gradient": list(kind.of_the_gradient),
        "train_shots": kind.train_shots,
        "train_ways": kind.train_ways,
        "train_queries": kind.train_queries,
        "tail_shots": kind.tail_shots,
        "passes": kind.passes,
        "doc": kind.doc,
        "needs_support": kind.needs_support,
        "model_outputs": kind.model_outputs,
        "more_inputs": kind.more_inputs,
        "targets": list(kind.targets),
        **_rare(numbered_classes=kind.numbered_classes),
        **({} if kind.meta_learns else {"meta_learns": False}),
    }


def _algorithm_of(data: Mapping[str, Any], what: str) -> Algorithm:
    unrolls = data["unrolls"]
    parts = {
        "params": tuple(MetaParam(**_bounds(param)) for param in data["params"]),
        "unrolls": unrolls and {name: tuple(values) for name, values in unrolls.items()},
        "of_the_gradient": tuple(data["of_the_gradient"]),
        "targets": tuple(data.get("targets", TARGETS)),  # those of older workers say less
    }
    elsewhere = _elsewhere(what)
    return Algorithm(
        **{**data, **parts},
        draw=elsewhere,
        meta_gradient=elsewhere,
        moments=elsewhere,
        inner_step=elsewhere,
    )


def _param(owner: str, param: MetaParam) -> dict[str, Any]:
    if not param.name.isidentifier():
        raise InvalidPlugin(f"a parameter of {owner} must be called by a word, got {param.name!r}")
    param.check(param.default)
    if param.kind not in ("int", "float", "choice"):
        raise InvalidPlugin(f"{param.name} of {owner} must be an int, a float or a choice")
    ranged = param.kind != "choice" and (param.searched or param.low != param.high)
    if ranged and not (param.minimum <= param.low < param.high <= param.maximum):
        raise InvalidPlugin(
            f"{param.name} of {owner} must have minimum <= low < high <= maximum, got "
            f"{param.minimum:g}, {param.low:g}, {param.high:g}, {param.maximum:g}"
        )
    if ranged and param.log and param.low <= 0:
        raise InvalidPlugin(f"{param.name} of {owner} is logarithmic: low must be above 0")
    return {
        **asdict(param),
        "minimum": _bound(param.minimum),
        "maximum": _bound(param.maximum),
    }


def _elsewhere(what: str) -> Callable[..., NoReturn]:
    def function(*arguments: object, **named: object) -> NoReturn:
        raise InvalidPlugin(
            f"{what} is only described here: its code is imported by a worker alone"
        )

    return function


_DESCRIBE: Mapping[type, Callable[[Any], dict[str, Any]]] = {
    TaskKind: _tasks,
    ModelKind: _model,
    ModuleKind: _module,
    Algorithm: _algorithm,
}
_RECORD_OF: Mapping[type, Callable[[Mapping[str, Any], str], Kind]] = {
    TaskKind: _tasks_of,
    ModelKind: _model_of,
    ModuleKind: _module_of,
    Algorithm: _algorithm_of,
}
