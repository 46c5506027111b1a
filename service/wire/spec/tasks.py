"""The tasks of a spec: one form for each kind in `metaopt.tasks.registry`."""

from functools import cache
from typing import TYPE_CHECKING, Annotated, Any, Self

from pydantic import TypeAdapter, create_model, model_validator

from metaopt.metrics.metric import Metric
from metaopt.tasks.kind import METRIC, TaskKind
from metaopt.tasks.registry import TASKS
from service.wire.base import Wire
from service.wire.spec.kinds import Formed, option_fields, union


class TasksSpec(Wire):
    """Tasks of some kind; its options are fields."""

    if TYPE_CHECKING:  # every kind has them, in an order and with bounds of its own
        kind: str
        k_shot: int
        q_query: int

    @property
    def record(self) -> TaskKind:
        """The kind."""
        return TASKS.get(self.kind)

    @property
    def classes(self) -> int:
        """Classes of a task, by which shots are multiplied; 1 in regression."""
        return self.record.classes(self.chosen())

    @property
    def inputs_of_classes(self) -> int:
        """How many inputs a model answers for one example of each class."""
        return self.classes * self.record.inputs(self.chosen())

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of one input."""
        return self.record.shape(self.chosen())

    @property
    def outputs(self) -> int:
        """Width of the model's output."""
        return self.record.width(self.chosen())

    @property
    def metric_record(self) -> Metric:
        """What a task is scored by."""
        return self.record.metric(self.chosen())

    def chosen(self) -> dict[str, Any]:
        """The options by name."""
        return self.model_dump()

    def distribution(self) -> dict[str, Any]:
        """Plain data that tasks follow from: the options but for the metric."""
        return self.model_dump(mode="json", exclude={METRIC})

    @model_validator(mode="after")
    def _check(self) -> Self:
        self.record.check_options(self.chosen())
        return self


@cache
def _form(kind: TaskKind) -> type[TasksSpec]:
    fields = option_fields(kind.name, kind.options)
    name = f"{kind.name.capitalize()}Tasks"
    return create_model(name, __base__=TasksSpec, __doc__=kind.doc, __module__=__name__, **fields)


@cache
def _union(kinds: tuple[TaskKind, ...]) -> TypeAdapter[Any]:
    return union([_form(kind) for kind in kinds])


Tasks = Annotated[TasksSpec, Formed(lambda: _union(TASKS.kinds()))]
