"""What JSON and YAML bodies may not contain, and that the field is named."""

import json

import pytest

from service.errors import BodyTooLarge, InvalidSpec
from service.wire.parsing.plain_data import (
    MAX_BODY_BYTES,
    MAX_DEPTH,
    MAX_YAML_BYTES,
    parse_json,
    parse_yaml,
)


def nested(depth: int) -> bytes:
    return b"[" * depth + b"]" * depth


@pytest.mark.parametrize(
    ("body", "field", "rule"),
    [
        (b'{"a": {"b": [NaN]}}', "a.b[0]", "must be finite, got 'NaN'"),
        (b'{"a": -Infinity}', "a", "must be finite, got '-Infinity'"),
        (b'{"a": 1e999}', "a", "must be finite, got '1e999'"),
        (b'{"a": ' + b"1" * 5000 + b"}", "a", "must have at most 32 digits, got 5000"),
        (b'{"a": {"b": 1, "b": 2}}', "a.b", "is given twice"),
        (b'{"a": "x\\u0000"}', "a", "must not contain NUL"),
        (b'{"a\\u0000": 1}', "'a\\x00'", "name must not contain NUL"),
        (b'{"a": "\\ud800"}', "a", "must not contain lone surrogates"),
        (b'{"\\udfff": 1}', "'\\udfff'", "name must not contain lone surrogates"),
        (nested(100_000), "spec", f"is nested deeper than {MAX_DEPTH}"),
        (nested(MAX_DEPTH + 1), "[0]" * MAX_DEPTH, f"is nested deeper than {MAX_DEPTH}"),
        (b'{"a": \xff}', "spec", "must be UTF-8, got byte 0xff at offset 6"),
        (b'{"a": }', "spec", "is not valid JSON: Expecting value at line 1, column 7"),
        (b"", "spec", "is not valid JSON: Expecting value at line 1, column 1"),
    ],
)
def test_json_that_breaks_a_rule_is_refused_by_field(body: bytes, field: str, rule: str) -> None:
    with pytest.raises(InvalidSpec) as caught:
        parse_json(body)
    assert caught.value.errors[0] == (field, rule)
    str(caught.value).encode()  # safe to send: no surrogate is echoed


@pytest.mark.parametrize(
    ("body", "field", "rule"),
    [
        (b"a: .nan", "a", "must be finite, got '.nan'"),
        (b"a: {b: -.INF}", "a.b", "must be finite, got '-.INF'"),
        (b"a: 1e999", "a", "must be finite, got '1e999'"),
        (b"a: 1\nb: 2\na: 3", "a", "is given twice"),
        (b"a: " + b"1" * 5000, "a", "must have at most 32 digits, got 5000"),
        (b'a: "\\0"', "a", "must not contain NUL"),
        (b'a: "\\ud800"', "a", "must not contain lone surrogates"),
        (b"a: &x [1]\nb: *x", "spec", "anchors and aliases are not supported"),
        (b"!!python/object/apply:os.system [id]", "spec", "tags are not supported"),
        (b"a: !!timestamp 2020-01-01", "spec", "tags are not supported"),
        (nested(50_000), "spec", f"is nested deeper than {MAX_DEPTH}"),
        (b"? [1]\n: 2", "spec", "a key must be text"),
        (b"a: 1\n---\nb: 2", "spec", "is not valid YAML"),
        (b"{a: b: c", "spec", "is not valid YAML"),
        (b"a: \x01", "spec", "is not valid YAML"),
    ],
)
def test_yaml_that_breaks_a_rule_is_refused_by_field(body: bytes, field: str, rule: str) -> None:
    with pytest.raises(InvalidSpec) as caught:
        parse_yaml(body)
    assert caught.value.errors[0].field == field
    assert caught.value.errors[0].message.startswith(rule)


def test_a_billion_laughs_is_refused_before_it_grows() -> None:
    lines = ["a0: &a0 [x, x]"] + [f"a{i}: &a{i} [*a{i - 1}, *a{i - 1}]" for i in range(1, 60)]
    with pytest.raises(InvalidSpec, match="anchors and aliases"):
        parse_yaml("\n".join(lines).encode())


def test_yaml_means_what_people_write() -> None:
    text = b"""
    rate: 1e-3
    half: .5
    count: 10
    answer: no
    time: 12:30
    day: 2026-01-02
    quoted: "1"
    nothing:
    true_: true
    items: [-1, 2.5, null]
    """
    assert parse_yaml(text) == {
        "rate": 1e-3,
        "half": 0.5,
        "count": 10,
        "answer": "no",
        "time": "12:30",
        "day": "2026-01-02",
        "quoted": "1",
        "nothing": None,
        "true_": True,
        "items": [-1, 2.5, None],
    }


def test_json_is_also_yaml() -> None:
    data = {"a": [1, 2.5, "x", None, True], "b": {"c": {}}}
    assert parse_yaml(json.dumps(data).encode()) == parse_json(json.dumps(data).encode()) == data


def test_bodies_larger_than_the_limits_are_refused() -> None:
    with pytest.raises(BodyTooLarge, match=str(MAX_BODY_BYTES)):
        parse_json(b" " * (MAX_BODY_BYTES + 1))
    with pytest.raises(BodyTooLarge, match=str(MAX_YAML_BYTES)):
        parse_yaml(b" " * (MAX_YAML_BYTES + 1))


def test_at_most_twenty_errors_are_listed() -> None:
    with pytest.raises(InvalidSpec) as caught:
        parse_json(b"[" + b",".join([b"NaN"] * 100) + b"]")
    assert len(caught.value.errors) == 20
