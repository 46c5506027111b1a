"""Fields of a spec whose form follows from a registry: `tasks`, `model`, an algorithm's name.

A registry may grow while the program runs, so the form is made when something is validated, and
again only where there are other kinds than before.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Union

from pydantic import Field, GetCoreSchemaHandler, GetJsonSchemaHandler, TypeAdapter
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

from metaopt.options import Option
from service.wire.base import Wire

Form = Callable[[], TypeAdapter[Any]]
"""What a field has to look like now."""


@dataclass(frozen=True)
class Formed:
    """Annotation of a field that is validated and described by a form of the moment.

    Args:
        form: Cheap to call: it is called for every value.
    """

    form: Form

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        """Validate by the form; errors keep their place below the field."""
        return core_schema.no_info_plain_validator_function(
            lambda value: self.form().validate_python(value)
        )

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """Describe the form."""
        return handler(self.form().core_schema)


def union(members: list[type[Wire]]) -> TypeAdapter[Any]:
    """A form that takes one of several objects, told apart by `kind`."""
    if len(members) == 1:
        return TypeAdapter(members[0])
    alternatives: Any = Annotated[Union[tuple(members)], Field(discriminator="kind")]  # noqa: UP007
    return TypeAdapter(alternatives)


def literal(names: tuple[str, ...]) -> TypeAdapter[Any]:
    """A form that takes one of several names."""
    alternatives: Any = Literal[names]
    return TypeAdapter(alternatives)


def option_fields(kind: str, options: tuple[Option, ...]) -> dict[str, Any]:
    """The fields of an object of that `kind`, as `pydantic.create_model` takes them."""
    fields: dict[str, Any] = {"kind": (Literal[kind], ...)}
    for option in options:
        described = _field(option)
        fields[option.name] = (Annotated[Any, Checked(option)], described)
    return fields


def _field(option: Option) -> Any:
    doc = option.doc or None
    if isinstance(option.default, dict):  # generators of clients take no mapping for a default
        return Field(default_factory=lambda: dict(option.default), description=doc)
    default = list(option.default) if option.type == "widths" else option.default
    return Field(default, description=doc)


@dataclass(frozen=True)
class Checked:
    """Annotation of a field that is checked by its option, as the library does.

    Args:
        option: Declared by a kind.
    """

    option: Option

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        """Validate by the option's own rule."""
        return core_schema.no_info_plain_validator_function(self.option.check)

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """Describe the rule."""
        return handler(TypeAdapter(_annotation(self.option)).core_schema)


def _annotation(option: Option) -> Any:
    bounds = Field(ge=_bound(option.minimum), le=_bound(option.maximum))
    match option.type:
        case "int":
            return Annotated[int, bounds]
        case "float":
            return Annotated[float, bounds]
        case "bool":
            return bool
        case "text":
            return Annotated[str, Field(pattern=option.pattern)]
        case "choice":
            return Literal[option.choices]
        case "interval":
            return tuple[float, float]
        case "widths":
            return Annotated[list[Annotated[int, bounds]], Field(min_length=1, max_length=8)]
        case "record":
            return dict[str, Any] | None


def _bound(number: float) -> float | None:
    if number in (float("inf"), float("-inf")):
        return None
    return int(number) if number == int(number) else number
