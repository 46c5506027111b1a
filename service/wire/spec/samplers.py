"""Samplers of a spec: what they are named, what they search, and which of them cannot."""

from collections.abc import Callable
from typing import Any

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from metaopt.algorithms.registry import parameters
from metaopt.search.samplers.kind import Problem
from metaopt.search.samplers.registry import SAMPLERS
from metaopt.search.space import Choice, Dimension, Float, Int
from service.wire.spec.space import Branch, Range


class NameOf:
    """Annotation of a string that must be one of the names there are when it is validated.

    Args:
        names: Of a registry; the JSON schema lists what it returns at that time.
    """

    def __init__(self, names: Callable[[], tuple[str, ...]]) -> None:
        self._names = names

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        """Validate as `Literal` does, in the same words."""
        return core_schema.no_info_before_validator_function(self._check, handler(source))

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """An enumeration of the names."""
        return {"enum": list(self._names()), "type": "string"}

    def _check(self, value: object) -> object:
        if value not in self._names():
            *others, last = (repr(name) for name in self._names())
            expected = f"{', '.join(others)} or {last}"
            raise PydanticCustomError(
                "literal_error", "Input should be {expected}", {"expected": expected}
            )
        return value


def dimensions(branch: Branch) -> dict[str, Dimension]:
    """The searched parameters of `branch` in the words of `metaopt.search`.

    Whole numbers are searched as such.
    """
    params = parameters(branch.algorithm)
    space: dict[str, Dimension] = {}
    for name, entry in branch.distributions().items():
        if not isinstance(entry, Range):
            space[name] = Choice(tuple(entry.choices))
        elif params[name].kind == "int":
            space[name] = Int(int(entry.low), int(entry.high), log=entry.log)
        else:
            space[name] = Float(entry.low, entry.high, log=entry.log)
    return space


def check_sampler(sampler: str, problem: Problem) -> None:
    """Check that `sampler` can search the space of a branch.

    Raises:
        ValueError: it cannot; the message says what can be done.
    """
    refusal = SAMPLERS.get(sampler).check(problem)
    if refusal:
        raise ValueError(refusal)
