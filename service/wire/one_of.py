"""Names of a registry in a message: checked against what is registered when a message is read.

    objectives: list[Annotated[str, OneOf(objective_names)]]

A `Literal` would be fixed when its module is loaded.  Refusals and the JSON schema are those of a
`Literal` of the same names.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticKnownError, core_schema


@dataclass(frozen=True)
class OneOf:
    """Annotation of a `str` that must be one of the names which `names` returns."""

    names: Callable[[], Sequence[str]]

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        """Validation by the names of that moment."""
        return core_schema.no_info_plain_validator_function(self._checked)

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """The names of this moment."""
        return {"enum": list(self.names()), "type": "string"}

    def _checked(self, value: Any) -> str:
        names = self.names()
        if not isinstance(value, str) or value not in names:
            raise PydanticKnownError("literal_error", {"expected": _listed(names)})
        return value


def _listed(names: Sequence[str]) -> str:
    *others, last = map(repr, names)
    return f"{', '.join(others)} or {last}" if others else last
