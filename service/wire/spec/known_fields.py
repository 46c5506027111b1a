"""The fields that an object of a message may have, by its place in it."""

from collections.abc import Iterator, Sequence
from typing import Any

Schema = dict[str, Any]


def known_fields(schema: Schema, loc: Sequence[str | int], data: Any) -> list[str]:
    """The names that the object at `loc` may have, in their order.

    Args:
        schema: JSON schema of the whole message.
        loc: Of the object, as pydantic has it: what is no key of `data` is a union's member.
        data: The whole message, which says of which kind an object is.
    """
    nodes, value = [schema], data
    for part in without_tags(loc, data):
        if _inside(value, part):
            objects = [one for node in nodes for one in _alternatives(node, value, schema)]
            nodes = [child for one in objects for child in _below(one, part)]
            value = value[part]
    objects = [one for node in nodes for one in _alternatives(node, value, schema)]
    return list(dict.fromkeys(name for one in objects for name in one.get("properties", {})))


def without_tags(loc: Sequence[str | int], data: Any) -> Iterator[str | int]:
    """The place without the kinds that pydantic puts in, where a form follows from the kind.

    A kind may be called as one of its fields is: tasks of kind dataset have a field dataset.
    """
    value, entered = data, True
    for part in loc:
        if entered and isinstance(value, dict) and value.get("kind") == part:
            entered = False
            continue
        entered = _inside(value, part)
        value = value[part] if entered else value
        yield part


def _inside(value: Any, part: str | int) -> bool:
    if isinstance(value, dict):
        return part in value
    return isinstance(value, list) and isinstance(part, int) and part < len(value)


def _alternatives(node: Schema, value: Any, whole: Schema) -> Iterator[Schema]:
    """What may stand in a place, references followed; only that of the kind, where it has one."""
    if "$ref" in node:
        yield from _alternatives(whole["$defs"][node["$ref"].rpartition("/")[2]], value, whole)
        return
    members = [*node.get("anyOf", []), *node.get("oneOf", []), *node.get("allOf", [])]
    kinds = node.get("discriminator", {})
    kind = value.get(kinds["propertyName"]) if kinds and isinstance(value, dict) else None
    if isinstance(kind, str) and kind in kinds.get("mapping", {}):
        members = [{"$ref": kinds["mapping"][kind]}]
    if not members:
        yield node
    for member in members:
        yield from _alternatives(member, value, whole)


def _below(node: Schema, part: str | int) -> Iterator[Schema]:
    below = (
        node.get("items")
        if isinstance(part, int)
        else node.get("properties", {}).get(part, node.get("additionalProperties"))
    )
    if isinstance(below, dict):
        yield below
