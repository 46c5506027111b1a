"""Bytes to plain data: JSON and YAML with the rules that their own parsers leave out.

Refused, each with the path of the field: NaN and infinities (also 1e999), integers of more than
32 digits, a key given twice, NUL and lone surrogates, nesting deeper than 32, bytes that are not
UTF-8.  YAML is the core schema of version 1.2 (`no` and `on` are text, 1e-3 is a number) without
tags, anchors and aliases, and at most 128 KiB of it, since its parser is slow.
"""

import json
import math
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from service.errors import BodyTooLarge, FieldError, InvalidSpec
from service.wire.parsing.yaml_loader import YamlRefused, load_yaml

MAX_BODY_BYTES = 1 << 20
MAX_YAML_BYTES = 1 << 17
MAX_DEPTH = 32
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
    text = _decode(body, MAX_BODY_BYTES)
    try:
        return checked(_DECODER.decode(text))
    except RecursionError:
        raise _invalid("spec", _TOO_DEEP) from None
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise _invalid("spec", f"is not valid JSON: {error.msg} at {where}") from None


def parse_yaml(body: bytes) -> Any:
    """The data of a YAML document.

    Raises:
        InvalidSpec: It is not YAML, or breaks one of the rules above.
        BodyTooLarge: It has more than 128 KiB.
    """
    text = _decode(body, MAX_YAML_BYTES)
    try:
        return checked(load_yaml(text, _number, lambda: Refused(_TWICE), MAX_DEPTH))
    except YamlRefused as error:
        raise _invalid("spec", str(error)) from None


def checked(data: Any) -> Any:
    """Return `data` if every value in it keeps the rules.

    Raises:
        InvalidSpec: Some do not; `errors` names the first 20 by path.
    """
    errors = []
    for error in _broken_rules(data):
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


def _decode(body: bytes, limit: int) -> str:
    if len(body) > limit:
        raise BodyTooLarge(f"the body must have at most {limit} bytes, got {len(body)}")
    try:
        return body.decode("utf-8")
    except UnicodeDecodeError as error:
        byte = f"byte 0x{body[error.start]:02x} at offset {error.start}"
        raise _invalid("spec", f"must be UTF-8, got {byte}") from None


def _number(text: str) -> int | float | Refused:
    """The number, or which rule it breaks; also for the names of NaN and infinity."""
    if re.fullmatch(r"[-+]?[0-9]+", text):
        if len(text) > MAX_DIGITS:
            return Refused(f"must have at most {MAX_DIGITS} digits, got {len(text)}")
        return int(text)
    value = float(text.lower().replace(".i", "i").replace(".n", "n"))  # YAML says .inf and .nan
    return value if math.isfinite(value) else Refused(f"must be finite, got {show(text)}")


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
    object_pairs_hook=_object, parse_int=_number, parse_float=_number, parse_constant=_number
)


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
            items = value.items() if isinstance(value, dict) else enumerate(value)
            inner = [(child_path(path, key), entry, depth + 1) for key, entry in items]
            stack.extend(reversed(inner))
            if isinstance(value, dict):
                rules = ((key, _text_rule(key)) for key in value)
                yield from (FieldError(child_path(path, k), f"name {r}") for k, r in rules if r)


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
