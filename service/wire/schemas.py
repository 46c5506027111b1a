"""JSON Schemas as generators of code read them: every model has a title, and no field has one.

A field's title would only repeat its name, and tools that name types by titles would make a type
of each: `Score`, `Score1`, `Score2`.
"""

from typing import Any

_VALUES = frozenset({"const", "default", "enum", "examples", "mapping"})  # no schemas below


def without_titles(node: Any) -> Any:
    """Return a schema, or anything that holds some, without titles; fields may be named so."""
    if isinstance(node, list):
        return [without_titles(entry) for entry in node]
    if not isinstance(node, dict):
        return node
    return {
        key: _without(key, below)
        for key, below in node.items()
        if not (key == "title" and isinstance(below, str))
    }


def _without(key: str, below: Any) -> Any:
    if key == "properties" and isinstance(below, dict):  # names of fields, which may be `examples`
        return {name: without_titles(schema) for name, schema in below.items()}
    return below if key in _VALUES else without_titles(below)


def titled_by_name(models: dict[str, Any]) -> dict[str, Any]:
    """Return schemas by name with their names as titles, and no other titles."""
    return {name: {"title": name, **without_titles(schema)} for name, schema in models.items()}
