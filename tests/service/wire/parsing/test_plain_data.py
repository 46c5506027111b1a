"""What JSON and YAML bodies may not contain, and that the field is named."""

import json
from collections.abc import Callable
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from service.errors import BodyTooLarge, InvalidSpec
from service.wire.parsing.plain_data import (
    MAX_BODY_BYTES,
    MAX_DEPTH,
    MAX_YAML_BYTES,
    parse_json,
    parse_yaml,
)
from tests.properties import examples


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
        (nested(20_000), "spec", f"is nested deeper than {MAX_DEPTH}"),
        (nested(MAX_DEPTH + 1), "[0]" * MAX_DEPTH, f"is nested deeper than {MAX_DEPTH}"),
        (b'{"a": \xff}', "spec", "must be UTF-8, got byte 0xff at offset 6: save it as UTF-8"),
        (b'{"a": }', "spec", "is not valid JSON: Expecting value at line 1, column 7"),
        (b"", "spec", "is empty"),
        (b"\xef\xbb\xbf \n", "spec", "is empty"),
        (b"{} x", "spec", "is not valid JSON: Extra data at line 1, column 4"),
        (
            b'{"a": "x\ty"}',
            "spec",
            "is not valid JSON: Invalid control character at line 1, column 9, "
            "where U+0009 (a tab) stands",
        ),
        (
            '{\n"a": \ufeff1}'.encode(),
            "spec",
            "is not valid JSON: Expecting value at line 2, column 6, "
            "where U+FEFF (a byte-order mark) stands",
        ),
        (
            "{\u201ca\u201d: 1}".encode(),
            "spec",
            "is not valid JSON: Expecting property name enclosed in double quotes at line 1, "
            "column 2, where U+201C (LEFT DOUBLE QUOTATION MARK) stands",
        ),
        (
            '{"a": 1}'.encode("utf-16-le"),
            "spec",
            "must be UTF-8, and looks like UTF-16 without a byte-order mark",
        ),
        (b"\xff\xfe{", "spec", "must be UTF-16, got byte 0x7b at offset 2: save it as UTF-8"),
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
        (
            b"b: *x",
            "spec",
            "has an alias without an anchor: put text that begins with * in quotes, at line 1, ",
        ),
        (b"a: &x [*x]", "spec", "an alias may not stand inside what it repeats, at line 1"),
        (b"a: {<<: 3}", "spec", "a merge key (<<) takes an object or a list of objects, at line"),
        (b"{<<: {}, <<: {}}", "spec", "a merge key (<<) is given twice: merge a list, at line 1"),
        (
            b"!!python/object/apply:os.system [id]",
            "spec",
            "tags are not supported: put text that begins with ! in quotes, at line 1",
        ),
        (b"a: !!timestamp 2020-01-01", "spec", "tags are not supported"),
        (nested(20_000), "spec", f"is nested deeper than {MAX_DEPTH}"),
        (b"? [1]\n: 2", "spec", "a key must be text"),
        (b"a: 1\n---\nb: 2", "spec", "must hold one document, another one begins at line 2"),
        (b"a:\n\tb: 1", "spec", "is not valid YAML: take spaces where a tab stands at line 2, "),
        (b"", "spec", "is empty"),
        (b"# nothing\n---\n", "spec", "is empty"),
        (b'{"a" 1}', "spec", "is not valid JSON: Expecting ':' delimiter at line 1, column 6"),
        (b"{a: b: c", "spec", "is not valid YAML"),
        (b"a: \x01", "spec", "is not valid YAML: U+0001 is not allowed, at line 1, column 4"),
    ],
)
def test_yaml_that_breaks_a_rule_is_refused_by_field(body: bytes, field: str, rule: str) -> None:
    with pytest.raises(InvalidSpec) as caught:
        parse_yaml(body)
    assert caught.value.errors[0].field == field
    assert caught.value.errors[0].message.startswith(rule)


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("a: 1\nb:\u200b 2\nc: 3", "; U+200B (ZERO WIDTH SPACE) stands at line 2, column 3"),
        ('\u00a0{"a": 1,\n"b": {"c": 2}}', "; U+00A0 (NO-BREAK SPACE) stands at line 1, column 1"),
        ("a: [\n\u3000b: 1", "; U+3000 (IDEOGRAPHIC SPACE) stands at line 2, column 1"),
        ("a: [\r\n\tb", ""),
    ],
)
def test_a_character_that_nobody_sees_is_named_where_a_document_is_malformed(
    text: str, hint: str
) -> None:
    with pytest.raises(InvalidSpec) as caught:
        parse_yaml(text.encode())
    rule = caught.value.errors[0].message
    assert rule.startswith("is not valid YAML") and rule.partition(";")[2] == hint[1:]


@pytest.mark.parametrize("repeat", ["[*a{0}, *a{0}]", "{{<<: [*a{0}, *a{0}], k{0}: 1}}"])
def test_a_billion_laughs_is_refused_before_it_grows(repeat: str) -> None:
    lines = ["a0: &a0 {x: 1}"] + [f"a{i}: &a{i} {repeat.format(i - 1)}" for i in range(1, 25)]
    with pytest.raises(InvalidSpec, match="more than 10000 values once its aliases are written"):
        parse_yaml("\n".join(lines).encode())


def test_many_aliases_in_a_row_are_no_way_around_the_depth() -> None:
    lines = ["a0: &a0 [x]"] + [f"a{i}: &a{i} [*a{i - 1}]" for i in range(1, 3000)]
    with pytest.raises(InvalidSpec, match=f"is nested deeper than {MAX_DEPTH}"):
        parse_yaml("\n".join(lines).encode())


def test_merge_keys_take_the_fields_that_are_not_given() -> None:
    text = b"""
    base: &base {kind: sinusoid, k_shot: 5}
    inline: {<<: {a: 1, b: 2}, b: 3}
    later: {b: 3, <<: {a: 1, b: 2}}
    several: {<<: [*base, {kind: x, q_query: 7}], k_shot: 9}
    again: *base
    quoted: {"<<": {a: 1}}
    """
    base = {"kind": "sinusoid", "k_shot": 5}
    assert parse_yaml(text) == {
        "base": base,
        "inline": {"a": 1, "b": 3},
        "later": {"a": 1, "b": 3},
        "several": {"kind": "sinusoid", "k_shot": 9, "q_query": 7},
        "again": base,
        "quoted": {"<<": {"a": 1}},
    }


def test_a_key_given_twice_is_refused_beside_a_merge_too() -> None:
    with pytest.raises(InvalidSpec, match="t.a: is given twice"):
        parse_yaml(b"t: {<<: {a: 1}, a: 2, a: 3}")


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32", "utf-16-be", "utf-32-be"])
@pytest.mark.parametrize("read", [parse_json, parse_yaml])
def test_a_byte_order_mark_is_no_part_of_a_document(
    read: Callable[[bytes], Any], encoding: str
) -> None:
    mark = "" if encoding in ("utf-8-sig", "utf-16", "utf-32") else "\ufeff"
    assert read(f'{mark}{{"a": "\u540d"}}'.encode(encoding)) == {"a": "\u540d"}
    assert parse_yaml(f"{mark}a: \u540d\r\n".encode(encoding)) == {"a": "\u540d"}


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
    hex: 0x1F
    octal: 0o17
    grouped: 1_000
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
        "hex": 31,
        "octal": 15,
        "grouped": "1_000",
    }


NUMBERS = st.integers(-(10**31), 10**31) | st.floats(allow_nan=False, allow_infinity=False)
TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8) | (
    st.sampled_from(["no", "on", "1:30", "1_000", "0x1F", "1e-3", "<<", "*a", "2026-01-02", "~"])
)
DOCUMENTS = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=8,
)


class Quoting(yaml.SafeDumper):
    """Writes every text in quotes: PyYAML leaves out those that text needs in YAML 1.2 (0E0)."""

    def represent_str(self, data: str) -> yaml.Node:
        return self.represent_scalar("tag:yaml.org,2002:str", data, style='"')


Quoting.add_representer(str, Quoting.represent_str)


@given(data=DOCUMENTS.filter(lambda data: data is not None), mark=st.sampled_from(["", "\ufeff"]))
@settings(max_examples=examples(60), deadline=None)
def test_a_document_is_the_same_in_json_and_in_yaml(data: Any, mark: str) -> None:
    for ascii_only in (True, False):
        text = mark + json.dumps(data, ensure_ascii=ascii_only)
        assert parse_json(text.encode()) == data
        if isinstance(data, list | dict):
            assert parse_yaml(text.encode()) == data
    for flow in (True, False):
        written = yaml.dump(data, Dumper=Quoting, allow_unicode=True, default_flow_style=flow)
        assert parse_yaml((mark + written).encode()) == data


@pytest.mark.parametrize(
    "text", ['{"a": 1, "a": 2}', '{"a": [1e999]}', '{"a": {"b": "\\u0000"}}', '{"b": "\\ud800"}']
)
def test_both_refuse_the_same_document_with_the_same_words(text: str) -> None:
    said = set()
    for read, written in ((parse_json, text), (parse_yaml, text), (parse_yaml, f"--- {text}")):
        with pytest.raises(InvalidSpec) as caught:
            read(written.encode())
        said.add(str(caught.value))
    assert len(said) == 1


def test_json_that_is_tabbed_or_large_is_read_where_yaml_is() -> None:
    data = {"a": [1, 2.5, "x/\U0001f600", None, True], "b": {"c": {}}, "c": "y" * MAX_YAML_BYTES}
    assert parse_yaml(json.dumps(data, indent="\t").replace("/", "\\/").encode()) == data
    assert parse_yaml(rb'a: "\ud83d\ude00"') == {"a": "\U0001f600"}


def test_bodies_larger_than_the_limits_are_refused() -> None:
    with pytest.raises(BodyTooLarge, match=str(MAX_BODY_BYTES)):
        parse_json(b" " * (MAX_BODY_BYTES + 1))
    with pytest.raises(BodyTooLarge, match=str(MAX_YAML_BYTES)):
        parse_yaml(b"a: " + b"x" * MAX_YAML_BYTES)


def test_a_sign_is_no_digit() -> None:
    longest = b"-" + b"9" * 32
    assert parse_json(longest) == parse_yaml(longest) == -(10**32 - 1)


def test_at_most_twenty_errors_are_listed() -> None:
    with pytest.raises(InvalidSpec) as caught:
        parse_json(b"[" + b",".join([b"NaN"] * 100) + b"]")
    assert len(caught.value.errors) == 20
