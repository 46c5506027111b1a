"""The model of a spec: one form for each kind in `metaopt.models.registry`."""

from functools import cache
from typing import TYPE_CHECKING, Annotated, Any, Self

from pydantic import TypeAdapter, create_model, model_validator

from metaopt.models.kind import ModelKind
from metaopt.models.registry import MODELS
from service.wire.base import Wire
from service.wire.spec.kinds import Formed, option_fields, union


class ModelSpec(Wire):
    """A model of some kind; its options are fields."""

    if TYPE_CHECKING:
        kind: str

    @property
    def record(self) -> ModelKind:
        """The kind."""
        return MODELS.get(self.kind)

    @model_validator(mode="after")
    def _settle(self) -> Self:
        settled = self.record.settle(self.chosen())
        for name in type(self).model_fields.keys() - {"kind"}:
            object.__setattr__(self, name, settled[name])  # of a message that is made just now
        return self

    def chosen(self) -> dict[str, Any]:
        """The options by name."""
        return self.model_dump()


@cache
def _form(kind: ModelKind) -> type[ModelSpec]:
    fields = option_fields(kind.name, kind.options)
    name = f"{kind.name.capitalize()}Model"
    return create_model(name, __base__=ModelSpec, __doc__=kind.doc, __module__=__name__, **fields)


@cache
def _union(kinds: tuple[ModelKind, ...]) -> TypeAdapter[Any]:
    return union([_form(kind) for kind in kinds])


Model = Annotated[ModelSpec, Formed(lambda: _union(MODELS.kinds()))]
