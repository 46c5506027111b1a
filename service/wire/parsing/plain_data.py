"""Bytes to plain data: JSON and YAML by one rule, with what their own parsers leave out.

Refused, each with the path of the field: NaN and infinities (also 1e999), integers of more than
32 digits, a key given twice, NUL and lone surrogates, nesting deeper than 32, an object of more
than 1,000 fields, an empty document; with its line and column, what is no JSON or YAML; and more
than 30,000 values, of YAML 10,000, which are counted before any of them is made.  A byte-order mark
is no part of a document.  Of a data set, which may name a hundred thousand classes, there may be
more (`DATASET`); the rules are the same.

What is JSON is YAML, too, and read as JSON, up to 1 MiB.  Other YAML is the core schema of version
1.2 (`no` and `on` are text, 1e-3 is a number) with anchors, aliases and merge keys and without
tags, and at most 128 KiB of it.
"""

import functools
import json
import math
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from service.errors import (
    BodyTooLarge,
    FieldError,
    InvalidDataset,
    InvalidRequest,
    InvalidSpec,
)
from service.wire.parsing.encoding import NotText, decode, place, unseen
from service.wire.parsing.yaml_loader import Rules, YamlRefused, load_yaml

MAX_BODY_BYTES = 1 << 20
MAX_MANIFEST_BYTES = 1 << 25  # of a data set: of a hundred thousand classes with the longest names
MAX_YAML_BYTES = 1 << 17
MAX_WRITTEN_OUT = 1 << 18
MAX_VALUES = 30_000
MAX_YAML_VALUES = 10_000
MAX_MANIFEST_VALUES = 2_000_000
MAX_DEPTH = 32
MAX_FIELDS = 1000
MAX_DIGITS = 32
MAX_ERRORS = 20


class Document(NamedTuple):
    """What is parsed, and how much of it there may be.

    Args:
        name: The field that a rule about the whole of it names.
        most_bytes: Of it.
        most_values: In it.
        refusal: What is raised where it breaks a rule.
    """

    name: str
    most_bytes: int
    most_values: int
    refusal: type[InvalidRequest]


SPEC = Document("spec", MAX_BODY_BYTES, MAX_VALUES, InvalidSpec)
DATASET = Document("dataset", MAX_MANIFEST_BYTES, MAX_MANIFEST_VALUES, InvalidDataset)


class Refused(NamedTuple):
    """Stands in the parsed data for a value that breaks a rule, until its path is known."""

    rule: str


def parse_json(body: bytes, document: Document = SPEC) -> Any:
    """The data of a JSON document.

    Raises:
        InvalidSpec, InvalidDataset: It is not JSON, or breaks one of the rules above.
        BodyTooLarge: It has more bytes than such a document may have.
    """
    text = _text(body, document)
    try:
        return checked(_decoded(text, document), document)
    except json.JSONDecodeError as error:
        raise _not_json(text, error, document) from None


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


def _decoded(text: str, document: Document = SPEC) -> Any:
    if _count(text, document.most_values) > document.most_values:
        raise _invalid(f"has more than {document.most_values} values", document)
    try:
        return _DECODER.decode(text)
    except RecursionError:
        raise _invalid(_TOO_DEEP, document) from None


def _count(text: str, most: int) -> int:
    """About how many values a JSON text has: exactly, where it is short and no list is empty."""
    if _separators(text) > most and len(text) <= MAX_BODY_BYTES:
        text = _STRING.sub("", text)  # perhaps they are in strings, which is rare; takes memory
    return 1 + _separators(text)


def _separators(text: str) -> int:
    return text.count(",") + text.count("[") + text.count("{")


_STRING = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+"', re.DOTALL)


def checked(data: Any, document: Document = SPEC) -> Any:
    """Return `data` if every value in it keeps the rules.

    Raises:
        InvalidSpec, InvalidDataset: Some do not; `errors` names the first 20 by path.
    """
    errors: list[FieldError] = []
    for error in () if _keeps_rules(data) else _broken_rules(data, document.name):
        errors.append(error)
        if len(errors) == MAX_ERRORS:
            break
    if errors:
        raise document.refusal(_sentence(errors), errors)
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


def _text(body: bytes, document: Document = SPEC) -> str:
    most = document.most_bytes
    if len(body) > most:
        raise BodyTooLarge(f"the body must have at most {most} bytes, got {len(body)}")
    try:
        text = decode(body)
    except NotText as error:
        raise _invalid(str(error), document) from None
    if not text or text.isspace():
        raise _invalid(_EMPTY, document)
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


def _not_json(text: str, error: json.JSONDecodeError, document: Document = SPEC) -> InvalidRequest:
    problem = error.msg.removesuffix(" at")
    return _malformed(text, f"is not valid JSON: {problem} at {place(text, error.pos)}", document)


def _malformed(text: str, rule: str, document: Document = SPEC) -> InvalidRequest:
    return _invalid(rule if ", where U+" in rule else rule + unseen(text), document)


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


def _broken_rules(data: Any, name: str) -> Iterator[FieldError]:
    """The rules that values break, in their order; a path is only made for what breaks one."""
    if rule := _own_rule(data, 1):
        yield FieldError(name, rule)
        return
    keys: list[str | int] = []
    stack = [_items(data)]
    yield from _broken_names(data, "")
    while stack:
        entry = next(stack[-1], None)
        if entry is None:
            stack.pop()
            del keys[len(stack) - 1 :]
            continue
        key, value = entry
        if type(value) in _PLAIN:
            continue
        if rule := _own_rule(value, len(stack) + 1):
            yield FieldError(_path([*keys, key]), rule)
        elif isinstance(value, dict | list):
            keys.append(key)
            stack.append(_items(value))
            if isinstance(value, dict) and any(map(_text_rule, value)):
                yield from _broken_names(value, _path(keys))


_PLAIN = (int, float, bool, type(None))


def _own_rule(value: Any, depth: int) -> str | None:
    """The rule that a value itself breaks, whatever is in it."""
    if isinstance(value, Refused):
        return value.rule
    if isinstance(value, str):
        return _text_rule(value)
    if not isinstance(value, dict | list):
        return None
    if depth > MAX_DEPTH:
        return _TOO_DEEP
    if isinstance(value, dict) and len(value) > MAX_FIELDS:
        return f"must have at most {MAX_FIELDS} fields, got {len(value)}"
    return None


def _items(value: Any) -> Iterator[tuple[str | int, Any]]:
    if isinstance(value, dict):
        return iter(value.items())
    return iter(enumerate(value)) if isinstance(value, list) else iter(())


def _broken_names(value: Any, path: str) -> Iterator[FieldError]:
    for key in value if isinstance(value, dict) else ():
        if rule := _text_rule(key):
            yield FieldError(child_path(path, key), f"name {rule}")


def _path(keys: list[str | int]) -> str:
    return functools.reduce(child_path, keys, "")


def _fields_break_rules(value: dict[str, Any]) -> bool:
    return len(value) > MAX_FIELDS or any(map(_text_rule, value))


def _text_rule(text: str) -> str | None:
    if "\0" in text:
        return "must not contain NUL"
    if not text.isascii() and re.search("[\ud800-\udfff]", text):
        return "must not contain lone surrogates"
    return None


def _invalid(rule: str, document: Document = SPEC) -> InvalidRequest:
    errors = [FieldError(document.name, rule)]
    return document.refusal(_sentence(errors), errors)


def _sentence(errors: list[FieldError]) -> str:
    more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
    return f"{errors[0].field}: {errors[0].message}{more}"
