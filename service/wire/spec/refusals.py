"""Refusals: what is wrong with a submitted spec, field by field and in words."""

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import ValidationError

from metaopt.errors import in_words
from metaopt.search.space import unresolved
from service.errors import FieldError, InvalidSpec
from service.wire.parsing.plain_data import MAX_ERRORS, child_path, show
from service.wire.spec.samplers import dimensions
from service.wire.spec.study import StudySpec


def parse_spec(data: Any) -> StudySpec:
    """The spec that plain data describes, defaults filled in.

    Raises:
        InvalidSpec: It breaks rules; `errors` names each field by path and its rule in words.
    """
    try:
        spec = StudySpec.model_validate(data)
    except ValidationError as error:
        raise _refused(broken_rules(error, data)) from None
    except Exception as error:  # a kind that it names may be anybody's
        rule = f"a kind that it names failed to look at it ({in_words(error)}): take another kind"
        raise _refused([FieldError("spec", rule)]) from None
    # Refused at the door only: what was stored before this rule must still be read.
    if broken := list(_unresolved(spec)):
        raise _refused(broken)
    return spec


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


def broken_rules(error: ValidationError, data: Any, root: str = "spec") -> list[FieldError]:
    """The rules that `data` breaks, in words, one for each field."""
    result: dict[str, FieldError] = {}
    for entry in error.errors(include_url=False):
        refusal = _in_words(entry, data, root)
        if refusal is not None:
            result.setdefault(refusal.field, refusal)
    return list(result.values())


def _in_words(entry: Mapping[str, Any], data: Any, root: str) -> FieldError | None:
    path, value, union = _locate(entry, data)
    kind, message = entry["type"], str(entry["msg"])
    if union and not _belongs(union[0], value):
        return None
    if union and not isinstance(value, dict | str):
        rule = 'must be a number, a choice, {low, high, log}, {choices} or "default"'
        return FieldError(path, f"{rule}, got {show(value)}")
    if kind == "extra_forbidden":
        return FieldError(path or root, "is not a known field")
    if kind in ("missing", "union_tag_not_found"):
        return FieldError(_tag_path(path, entry) or root, "is required")
    if kind == "union_tag_invalid":
        context = entry["ctx"]
        rule = f"must be one of {context['expected_tags']}, got {show(context['tag'])}"
        return FieldError(_tag_path(path, entry), rule)
    if kind == "value_error":
        sentence = str(entry["ctx"]["error"])
        return FieldError(_parameter_path(path, value, sentence) or root, sentence)
    if kind in ("model_type", "model_attributes_type", "dict_type"):
        return FieldError(path or root, f"must be an object, got {show(entry['input'])}")
    got = f", got {show(entry['input'])}" if not isinstance(entry["input"], dict | list) else ""
    return FieldError(path or root, f"{_plain(message)}{got}")


def _locate(entry: Mapping[str, Any], data: Any) -> tuple[str, Any, list[str]]:
    """Return path and value in `data`, and the union's members that pydantic put in between."""
    path, value = "", data
    members: list[str] = []
    for part in entry["loc"]:
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
    if entry["type"].startswith("union_tag"):
        return child_path(path, str(entry["ctx"]["discriminator"]).strip("'"))
    return path


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
    ):
        if message.startswith(verbose):
            return message.replace(verbose, short, 1)
    return message[:1].lower() + message[1:]
