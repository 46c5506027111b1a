"""Bytes to plain data: JSON and YAML by one rule, with what their own parsers leave out.

Refused, each with the path of the field: NaN and infinities (also 1e999), integers of more than
32 digits, a key given twice, NUL and lone surrogates, nesting deeper than 32, an object of more
than 1,000 fields, an empty document; with its line and column, what is no JSON or YAML; and more
than 30,000 values, of YAML 10,000, which are counted before any of them is made.  A byte-order mark
is no part of a document.

What is JSON is YAML, too, and read as JSON, up to 1 MiB.  Other YAML is the core schema of version
1.2 (`no` and `on` are text, 1e-3 is a number) with anchors, aliases and merge keys and without
tags, and at most 128 KiB of it.
"""

import json
import math
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from service.errors import BodyTooLarge, FieldError, InvalidSpec
from service.wire.parsing.encoding import NotText, decode, place, unseen
from service.wire.parsing.yaml_loader import Rules, YamlRefused, load_yaml

MAX_BODY_BYTES = 1 << 20
MAX_MANIFEST_BYTES = 1 << 25  # of a data set: of a hundred thousand classes with the longest names
MAX_YAML_BYTES = 1 << 17
MAX_WRITTEN_OUT = 1 << 18
MAX_VALUES = 30_000
MAX_YAML_VALUES = 10_000
MAX_DEPTH = 32
MAX_FIELDS = 1000
MAX_DIGITS = 32
MAX_ERRORS = 20


class Refused(NamedTuple):
    """Stands in the parsed data for a value that breaks a rule, until its path is known."""

    rule: str


def parse_json(body: bytes) -> Any:
    """The data of a JSON document.

    Raises:
        InvalidSpec: It is not JSON, or breaks one of the rules above.
        BodyTooLarge: It has more than 1 MiB.
    """
    text = _text(body)
    try:
        return checked(_decoded(text))
    except json.JSONDecodeError as error:
        raise _not_json(text, error) from None


def parse_yaml(body: bytes) -> Any:
    """The data of a YAML document, which may be JSON.

    Raises:
        InvalidSpec: It is neither, or breaks one of the rules above.
        BodyTooLarge: It has more than 1 MiB, or is not JSON and has more than 128 KiB.
    """
    text = _text(body)
    if not text.lstrip().startswith(("{", "[")):
        return checked(_yaml(text, len(body)))
    try:
        return checked(_decoded(text))
    except json.JSONDecodeError as error:
        return checked(_yaml(text, len(body), error))


def _decoded(text: str) -> Any:
    if _count(text) > MAX_VALUES:
        raise _invalid("spec", f"has more than {MAX_VALUES} values")
    try:
        return _DECODER.decode(text)
    except RecursionError:
        raise _invalid("spec", _TOO_DEEP) from None


def _count(text: str) -> int:
    """About how many values a JSON text has: exactly, where no object or list is empty."""
    if _separators(text) > MAX_VALUES:  # perhaps they are in strings, which is rare
        text = _STRING.sub("", text)
    return 1 + _separators(text)


def _separators(text: str) -> int:
    return text.count(",") + text.count("[") + text.count("{")


_STRING = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+"', re.DOTALL)


def checked(data: Any) -> Any:
    """Return `data` if every value in it keeps the rules.

    Raises:
        InvalidSpec: Some do not; `errors` names the first 20 by path.
    """
    errors: list[FieldError] = []
    for error in () if _keeps_rules(data) else _broken_rules(data):
        errors.append(error)
        if len(errors) == MAX_ERRORS:
            break
    if errors:
        raise InvalidSpec(_sentence(errors), errors)
    return data


def show(value: object, limit: int = 60) -> str:
    """A short, printable form of any value, safe to echo."""
    text = ascii(value)
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


def child_path(path: str, key: str | int) -> str:
    """The path of an entry of the object or list at `path`."""
    if isinstance(key, int):
        return f"{path}[{key}]"
    name = key if re.fullmatch(r"\w{1,64}", key, re.ASCII) else show(key)
    return f"{path}.{name}" if path else name


_TWICE = "is given twice"
_TOO_DEEP = f"is nested deeper than {MAX_DEPTH}"
_EMPTY = "is empty"


def _text(body: bytes) -> str:
    if len(body) > MAX_BODY_BYTES:
        raise BodyTooLarge(f"the body must have at most {MAX_BODY_BYTES} bytes, got {len(body)}")
    try:
        text = decode(body)
    except NotText as error:
        raise _invalid("spec", str(error)) from None
    if not text.strip():
        raise _invalid("spec", _EMPTY)
    return text


def _yaml(text: str, size: int, tried: json.JSONDecodeError | None = None) -> Any:
    """The data of YAML.

    Args:
        size: Of the body, in bytes.
        tried: Why it is no JSON, where it looks like it: told if that came further.
    """
    if size > MAX_YAML_BYTES:
        if tried is not None:
            raise _not_json(text, tried)
        raise BodyTooLarge(
            f"a body of YAML must have at most {MAX_YAML_BYTES} bytes, got {size}: "
            f"JSON may have {MAX_BODY_BYTES}"
        )
    try:
        return load_yaml(text, _YAML_RULES)
    except YamlRefused as error:
        if tried is not None and error.offset is not None and error.offset <= tried.pos:
            raise _not_json(text, tried) from None
        raise _malformed(text, str(error)) from None


def _not_json(text: str, error: json.JSONDecodeError) -> InvalidSpec:
    problem = error.msg.removesuffix(" at")
    return _malformed(text, f"is not valid JSON: {problem} at {place(text, error.pos)}")


def _malformed(text: str, rule: str) -> InvalidSpec:
    return _invalid("spec", rule if ", where U+" in rule else rule + unseen(text))


def _number(text: str) -> int | float | Refused:
    """The number, or which rule it breaks; also for the names of NaN and infinity."""
    if re.fullmatch(r"[-+]?[0-9]+|0[xo].*", text):
        if (digits := len(text.lstrip("+-"))) > MAX_DIGITS:
            return Refused(f"must have at most {MAX_DIGITS} digits, got {digits}")
        return int(text, 0 if text[:2] in ("0x", "0o") else 10)
    value = float(text.lower().replace(".i", "i").replace(".n", "n"))  # YAML says .inf and .nan
    return value if math.isfinite(value) else Refused(f"must be finite, got {show(text)}")


def _integer(text: str) -> int | float | Refused:
    return int(text) if len(text) <= MAX_DIGITS else _number(text)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) < len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                result[key] = Refused(_TWICE)
            seen.add(key)
    return result


_DECODER = json.JSONDecoder(
    object_pairs_hook=_object, parse_int=_integer, parse_float=_number, parse_constant=_number
)

_YAML_RULES = Rules(_number, lambda: Refused(_TWICE), MAX_DEPTH, MAX_WRITTEN_OUT, MAX_YAML_VALUES)


def _keeps_rules(data: Any) -> bool:
    """Whether there is nothing to tell: most documents have nothing, and no path is made then."""
    level, depth = [data], 1
    while level:
        inner: list[Any] = []
        for value in level:
            kind = type(value)
            if kind is Refused or (kind is str and _text_rule(value)):
                return False
            if kind is not dict and kind is not list:
                continue
            if depth > MAX_DEPTH or (kind is dict and _fields_break_rules(value)):
                return False
            inner.extend(value.values() if kind is dict else value)
        level, depth = inner, depth + 1
    return True


def _broken_rules(data: Any) -> Iterator[FieldError]:
    stack: list[tuple[str, Any, int]] = [("", data, 1)]
    while stack:
        path, value, depth = stack.pop()
        field = path or "spec"
        if isinstance(value, Refused):
            yield FieldError(field, value.rule)
        elif isinstance(value, str) and (rule := _text_rule(value)):
            yield FieldError(field, rule)
        elif isinstance(value, dict | list):
            if depth > MAX_DEPTH:
                yield FieldError(field, _TOO_DEEP)
                continue
            if isinstance(value, dict) and len(value) > MAX_FIELDS:
                yield FieldError(field, f"must have at most {MAX_FIELDS} fields, got {len(value)}")
                continue
            items = value.items() if isinstance(value, dict) else enumerate(value)
            inner = [(child_path(path, key), entry, depth + 1) for key, entry in items]
            stack.extend(reversed(inner))
            if isinstance(value, dict):
                rules = ((key, _text_rule(key)) for key in value)
                yield from (FieldError(child_path(path, k), f"name {r}") for k, r in rules if r)


def _fields_break_rules(value: dict[str, Any]) -> bool:
    return len(value) > MAX_FIELDS or any(map(_text_rule, value))


def _text_rule(text: str) -> str | None:
    if "\0" in text:
        return "must not contain NUL"
    if not text.isascii() and re.search("[\ud800-\udfff]", text):
        return "must not contain lone surrogates"
    return None


def _invalid(field: str, rule: str) -> InvalidSpec:
    errors = [FieldError(field, rule)]
    return InvalidSpec(_sentence(errors), errors)


def _sentence(errors: list[FieldError]) -> str:
    more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
    return f"{errors[0].field}: {errors[0].message}{more}"
