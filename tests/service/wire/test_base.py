"""What all messages have in common: instants are in UTC, whatever zone they came with."""

import importlib
import pkgutil
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from types import ModuleType
from typing import Any, get_args

import pytest
from pydantic import AwareDatetime, BaseModel, TypeAdapter, ValidationError

import service.wire
from service.wire.base import Instant


def modules(package: ModuleType) -> Iterator[ModuleType]:
    for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        yield importlib.import_module(found.name)


def instants_of(model: type[BaseModel]) -> Iterator[tuple[str, bool]]:
    """Yield each field that holds a time, and whether it is an `Instant`."""
    for name, field in model.model_fields.items():
        parts = [field.annotation, *get_args(field.annotation)]
        if datetime in parts or AwareDatetime in parts:
            yield name, field.metadata == list(Instant.__metadata__)  # type: ignore[attr-defined]
        elif any("datetime" in repr(part).lower() for part in parts):
            yield name, Instant in parts


def models() -> set[type[BaseModel]]:
    return {
        one
        for module in modules(service.wire)
        for one in vars(module).values()
        if isinstance(one, type) and issubclass(one, BaseModel)
    }


def test_every_time_in_a_message_is_an_instant() -> None:
    found = {
        f"{model.__name__}.{name}": is_instant
        for model in models()
        for name, is_instant in instants_of(model)
    }
    assert len(found) > 15  # the search finds them
    assert {name for name, is_instant in found.items() if not is_instant} == set()


@pytest.mark.parametrize("hours", [0, 1, -8])
def test_an_instant_is_written_in_utc(hours: int) -> None:
    adapter: TypeAdapter[Any] = TypeAdapter(Instant)
    at = datetime(2026, 11, 30, 12, tzinfo=timezone(timedelta(hours=hours)))
    assert adapter.dump_json(adapter.validate_python(at)).decode().endswith('Z"')


def test_a_time_without_a_zone_is_none() -> None:
    with pytest.raises(ValidationError, match="timezone"):
        TypeAdapter(Instant).validate_python("2026-11-30T01:30:00")
