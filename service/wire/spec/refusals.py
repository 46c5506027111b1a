"""Refusals: what is wrong with a submitted spec, field by field and in words."""

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Any

from pydantic import BaseModel, ValidationError

from metaopt.errors import in_words
from metaopt.messages import did_you_mean
from metaopt.search.space import unresolved
from service.errors import FieldError, InvalidSpec
from service.wire.parsing.plain_data import MAX_ERRORS, child_path, show
from service.wire.spec.budget import too_many_trials
from service.wire.spec.known_fields import Schema, known_fields, without_tags
from service.wire.spec.samplers import dimensions
from service.wire.spec.study import StudySpec

MOST_IN_WORDS = 500
FIELD_DEPTH = 4  # as branches[0].space.inner_lr: what is below is one field in several forms


def parse_spec(data: Any, *, stored: bool = False) -> StudySpec:
    """The spec that plain data describes, defaults filled in.

    Its fields that begin with `x-` are left out: they are a place for anchors, as in other formats.

    Args:
        stored: Whether it was accepted once, so that it may keep a name of the rules of its day.

    Raises:
        InvalidSpec: It breaks rules; `errors` names each field by path and its rule in words.
    """
    data = without_notes(data)
    try:
        spec = StudySpec.model_validate(data, context={"new": not stored})
    except ValidationError as error:
        raise _refused(broken_rules(error, data, StudySpec)) from None
    except Exception as error:  # a kind that it names may be anybody's
        rule = f"a kind that it names failed to look at it ({in_words(error)}): take another kind"
        raise _refused([FieldError("spec", rule)]) from None
    # Refused at the door only: what was stored before this rule must still be read.
    if not stored and (broken := [*_unresolved(spec), *_too_many(spec)]):
        raise _refused(broken)
    return spec


def without_notes(data: Any) -> Any:
    """A spec's plain data without its fields that begin with `x-`, which mean nothing."""
    if not isinstance(data, dict):
        return data
    return {name: value for name, value in data.items() if not str(name).startswith("x-")}


def _refused(broken: list[FieldError]) -> InvalidSpec:
    more = f" (and {len(broken) - 1} more)" if len(broken) > 1 else ""
    sentence = f"{broken[0].field}: {broken[0].message}{more}"
    return InvalidSpec(sentence, broken[:MAX_ERRORS])


def _unresolved(spec: StudySpec) -> Iterator[FieldError]:
    """The ranges that samplers cannot resolve."""
    for position, branch in enumerate(spec.branches):
        for name, dimension in dimensions(branch).items():
            if rule := unresolved(dimension):
                yield FieldError(f"branches[{position}].space.{name}", f"{name} {rule}")


def _too_many(spec: StudySpec) -> Iterator[FieldError]:
    """More trials than a study may have."""
    if rule := too_many_trials(spec.budget.trials):
        yield FieldError("budget.trials", rule)


def broken_rules(
    error: ValidationError, data: Any, model: type[BaseModel], root: str = "spec"
) -> list[FieldError]:
    """The rules of `model` that `data` breaks, in words, one for each field.

    The first of very many are: those that nobody is told of count, without words.
    """
    result: dict[str, FieldError] = {}
    untold = set[tuple[int | str, ...]]()
    schema = cache(model.model_json_schema)
    for number, entry in enumerate(error.errors(include_url=False)):
        if number >= MOST_IN_WORDS and len(result) >= MAX_ERRORS:
            untold.add(entry["loc"][:FIELD_DEPTH])
            continue
        if entry["type"] == "default_factory_not_called":
            continue  # the field that the default follows from has an error of its own
        if entry["type"] == "extra_forbidden" and len(result) < MAX_ERRORS:
            refusal = _unknown(entry["loc"], data, schema())
        else:
            refusal = _in_words(entry, data, root)
        if refusal is not None:
            result.setdefault(refusal.field, refusal)
    return [*result.values(), *[FieldError(root, "and more")] * len(untold)]


def rule_in_words(entry: Mapping[str, Any]) -> str:
    """The rule that an entry of a `ValidationError` is about, and what came instead."""
    kind, message, value = entry["type"], str(entry["msg"]), entry.get("input")
    if kind == "missing":
        return "is required"
    if kind == "extra_forbidden":
        return "is not a known field"
    if kind == "value_error":
        return str(entry["ctx"]["error"])
    if kind in ("model_type", "model_attributes_type", "dict_type"):
        return f"must be an object, got {show(value)}"
    if kind == "bool_type":
        message = "must be true or false"
    got = f", got {show(value)}" if not isinstance(value, dict | list) else ""
    known = _QUOTED.findall(entry["ctx"]["expected"]) if kind == "literal_error" else ()
    return f"{_plain(message)}{got}{did_you_mean(value, known)}"


_QUOTED = re.compile("'([^']*)'")


def _unknown(loc: Sequence[str | int], data: Any, schema: Schema) -> FieldError | None:
    *outer, name = loc
    path, _, union = _locate({"loc": loc, "type": "extra_forbidden"}, data)
    if union and not _belongs(union[0], _space_entry(tuple(loc), data, None)):
        return None
    known = known_fields(schema, outer, data)
    meant = did_you_mean(name, known)
    owner = path.rpartition(".")[0] or "it"
    has = f"{' ' if meant else ': '}{owner} has {', '.join(known)}" if known else ""
    return FieldError(path, f"is not a known field{meant}{has}")


def _in_words(entry: Mapping[str, Any], data: Any, root: str) -> FieldError | None:
    path, value, union = _locate(entry, data)
    kind = entry["type"]
    if union and not _belongs(union[0], value):
        return None
    if union and not isinstance(value, dict | str):
        rule = 'must be a number, a choice, {low, high, log}, {choices} or "default"'
        return FieldError(path, f"{rule}, got {show(value)}")
    if kind == "union_tag_not_found":
        return FieldError(_tag_path(path, entry), f"is required{_instead_of(_tag(entry), value)}")
    if kind == "union_tag_invalid":
        context = entry["ctx"]
        rule = f"must be one of {context['expected_tags']}, got {show(context['tag'])}"
        rule += did_you_mean(context["tag"], _QUOTED.findall(context["expected_tags"]))
        return FieldError(_tag_path(path, entry), rule)
    if kind == "value_error":
        sentence = str(entry["ctx"]["error"])
        path = _parameter_path(path, value, sentence)
        return FieldError(path or root, sentence.removeprefix(f"{path} "))
    return FieldError(path or root, rule_in_words(entry))


def _instead_of(missing: str, value: Any) -> str:
    """What stands where a field is missing, and may be meant for it."""
    if not isinstance(value, dict):
        return ""
    if "<<" in value:
        return ": a merge key (<<) is one in YAML only, and without quotes"
    near = next((key for key in value if did_you_mean(key, [missing])), None)
    return "" if near is None else f": {show(near)} is not a known field, did you mean {missing}?"


def _locate(entry: Mapping[str, Any], data: Any) -> tuple[str, Any, list[str]]:
    """Return path and value in `data`, and the union's members that pydantic put in between."""
    path, value = "", data
    members: list[str] = []
    for part in without_tags(entry["loc"], data):
        inside = (isinstance(value, dict) and part in value) or (
            isinstance(value, list) and isinstance(part, int) and part < len(value)
        )
        if inside:
            path, value = child_path(path, part), value[part]
        elif entry["type"] == "missing" and part == entry["loc"][-1]:
            path = child_path(path, part)
        elif part != "[key]":
            members.append(str(part))
    return path, _space_entry(entry["loc"], data, value), _space_members(entry["loc"], members)


def _space_members(loc: tuple[str | int, ...], members: list[str]) -> list[str]:
    return members if "space" in loc else []


def _space_entry(loc: tuple[str | int, ...], data: Any, value: Any) -> Any:
    # Errors below an entry of a space are judged by the whole entry: is it a range or choices?
    if "space" not in loc or len(loc) < 4 or loc[3] == "[key]":
        return value
    return data["branches"][loc[1]]["space"][loc[3]]


def _belongs(member: str, entry: Any) -> bool:
    """Tell whether an error of this member of the union is about what the user meant."""
    if isinstance(entry, dict):
        # pydantic's name of a member with a validator is function-after[…, Range]
        return ("ChoiceList" if "choices" in entry else "Range") in member
    return True


def _tag_path(path: str, entry: Mapping[str, Any]) -> str:
    return child_path(path, _tag(entry))


def _tag(entry: Mapping[str, Any]) -> str:
    return str(entry["ctx"]["discriminator"]).strip("'")


def _parameter_path(path: str, branch: Any, sentence: str) -> str:
    """The path of the entry of `branch["space"]` that the sentence names, or `path`."""
    space = branch.get("space") if isinstance(branch, dict) else None
    if not isinstance(space, dict):
        return path
    for name in space:
        if sentence.startswith(f"{name} ") or f"no parameter {name!r}" in sentence:
            return child_path(f"{path}.space", name)
    return path


def _plain(message: str) -> str:
    for verbose, short in (
        ("Input should be a valid ", "must be a valid "),
        ("Input should be ", "must be "),
        ("Input should ", "must "),
        ("List should ", "must "),
        ("Dictionary should ", "must "),
        ("String should ", "must "),
    ):
        if message.startswith(verbose):
            return message.replace(verbose, short, 1).replace(" after validation, not", ", got")
    return message[:1].lower() + message[1:]
