"""Stored specs: what was accepted once is read for ever, whatever has become of its kinds.

    plain data ──▶ StudySpec            every rule holds, as a rule
               └─▶ StoredStudy          a kind has vanished or changed: shown as it was, and not
                                        checked again

A spec is checked as a whole when it is read, which takes half a millisecond or more, and a list
shows fifty.  So each is read once in a process and kept by its text, as is what else follows from
it; nobody changes a spec that was read.  Long ones, such as those with a thousand trials to warm
start from, are read each time.
"""

import json
from collections.abc import Callable
from typing import Annotated, Any, Self, TypeVar

from pydantic import (
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    ValidatorFunctionWrapHandler,
    WrapValidator,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticSerializationError, to_json

from metaopt.algorithms.registry import parameters
from metaopt.errors import MetaoptError
from metaopt.metaparams import Value
from metaopt.metrics.metric import Metric
from metaopt.metrics.registry import METRICS
from metaopt.options import with_defaults
from service.wire.spec.gates import Gates, Incumbent
from service.wire.spec.kept import Kept
from service.wire.spec.model import ModelSpec
from service.wire.spec.named import named_kinds
from service.wire.spec.space import Branch, ChoiceList, Range, Space, SpaceEntry
from service.wire.spec.study import StudySpec
from service.wire.spec.tasks import TasksSpec
from service.wire.spec.vanished import likely_metric, remember_vanished

MOST_KEPT = 2**20  # bytes of text: some hundred specs; objects take ten times as much
LONGEST_KEPT = 2**16  # of one

Made = TypeVar("Made")
Data = dict[str, Any]


def once_by_text(make: Callable[..., Made]) -> Callable[..., Made]:
    """Let what is made of a stored spec (and of what else is given, hashable) be made once in a
    process, until kinds change.
    """
    kept: Kept[tuple[object, ...], Made] = Kept(MOST_KEPT, LONGEST_KEPT)
    _all_kept.append(kept)

    def of(data: Data, *given: object) -> Made:
        text = _text(data)
        made = kept.get((text, *given))
        if made is None:
            made = make(json.loads(text), *given)
            kept.keep((text, *given), made, len(text))
        return made

    return of


def _text(data: Data) -> bytes:
    try:
        return to_json(data, inf_nan_mode="constants")  # five times as fast as json.dumps
    except PydanticSerializationError:  # a lone surrogate, from before they were refused
        return json.dumps(data).encode()


_all_kept: list[Kept[tuple[object, ...], Any]] = []


def stored_spec(data: Data) -> StudySpec:
    """The spec that was stored as `data`.

    Raises:
        ValidationError: It breaks rules that have nothing to do with its kinds.
    """
    spec: StudySpec = _stored_spec(data)
    return spec


def read_stored(data: Any) -> StudySpec:
    """As `stored_spec`, read anew."""
    try:
        return StudySpec.model_validate(data)
    except ValidationError:
        if all(kind.ours for kind in named_kinds(data)):
            raise
    remember_vanished(data)
    return StoredStudy.model_validate(data)


def _shown(spec: object, _: ValidatorFunctionWrapHandler) -> StudySpec:
    # Pydantic would check an instance's fields again, all that must fit together.
    return spec if isinstance(spec, StudySpec) else read_stored(spec)


ShownSpec = Annotated[StudySpec, WrapValidator(_shown)]
"""The spec of what an answer is about."""


def forget_kept() -> None:
    """Read every spec anew: kinds have changed."""
    for kept in _all_kept:
        kept.clear()


_stored_spec = once_by_text(read_stored)


class StoredTasks(TasksSpec):
    """Tasks with the options that they were stored with."""

    model_config = ConfigDict(extra="allow")

    kind: str
    k_shot: int = 1
    q_query: int = 1

    @property
    def metric_record(self) -> Metric:
        """What a task was scored by, as far as that is known."""
        try:
            return super().metric_record
        except MetaoptError:
            return METRICS.get(likely_metric(self.model_dump()))

    def chosen(self) -> dict[str, Any]:
        """The options by name, and what the kind of today has beside them."""
        return with_defaults(self.record.options, self.model_dump())

    @model_validator(mode="after")
    def _check(self) -> Self:
        return self


class StoredModel(ModelSpec):
    """A model with the options that it was stored with."""

    model_config = ConfigDict(extra="allow")

    kind: str

    def chosen(self) -> dict[str, Any]:
        """The options by name, and what the kind of today has beside them."""
        return with_defaults(self.record.options, self.model_dump())

    @model_validator(mode="after")
    def _settle(self) -> Self:
        return self


class StoredBranch(Branch):
    """A branch with the space that it was stored with."""

    algorithm: str
    model: StoredModel | None = None
    space: dict[Annotated[str, Field(max_length=64)], SpaceEntry] = {}

    def fixed(self) -> dict[str, Value]:
        """What was fixed, and the default of what today's algorithm has beside it."""
        searched = self.distributions()
        return {name: value for name, value in self.defaults().items() if name not in searched}

    def defaults(self) -> dict[str, Value]:
        """Every parameter without a search."""
        defaults = {name: param.default for name, param in parameters(self.algorithm).items()}
        fixed = {
            name: entry
            for name, entry in self.space.items()
            if not isinstance(entry, Range | ChoiceList)
        }
        return {**defaults, **fixed}

    @field_validator("space")
    @classmethod
    def _written_out(cls, space: Space, info: ValidationInfo) -> Space:
        return space

    @model_validator(mode="after")
    def _within_the_rules(self) -> Self:
        return self


class StoredIncumbent(Incumbent):
    """An incumbent whose model's kind may have vanished."""

    model: StoredModel


class StoredGates(Gates):
    """Gates with such an incumbent."""

    incumbent: StoredIncumbent | None = None


class StoredStudy(StudySpec):
    """A spec that was accepted when its kinds were there as it names them."""

    tasks: StoredTasks
    model: StoredModel
    branches: Annotated[list[StoredBranch], Field(min_length=1)]  # type: ignore[assignment]
    gates: StoredGates = StoredGates()

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        return self
