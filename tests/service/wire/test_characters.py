"""What is hidden in a text is found, named and escaped; what scripts and emoji need stays."""

import json

import pytest

from service.wire.characters import character, hidden, printable


@pytest.mark.parametrize(
    "text",
    [
        "a b",
        "Größe",
        "学習率",
        "مصنوعی‌ذهانت",
        "👩🏽‍🔬 a",
        "❤️‍🔥",
        "e\u0301",
        "שלום",
        "क्‍ष",
        "a\u00a0b",
    ],
)
def test_what_can_be_seen_stays(text: str) -> None:
    assert hidden(text) == [] and printable(text) == text


@pytest.mark.parametrize(
    "char",
    ["\u202e", "\u2066", "\u200b", "\u200d", "\ufeff", "\x1b", "\x7f", "\x9b", "\u2028", "\u00ad"]
    + ["\u3164", "\U000e0041", "\ud800", "\0", "\u061c"],
)
def test_what_is_hidden_is_written_as_json_would(char: str) -> None:
    assert hidden(f"ab{char}c") == [2]
    shown = printable(f"ab{char}c")
    assert shown.isprintable() and json.loads(f'"{shown}"') == f"ab{char}c"
    assert printable(json.dumps({char: char})) == json.dumps({char: char})


def test_lines_stay_unless_they_would_break_a_cell() -> None:
    assert printable("a\n\tb\r") == "a\n\tb\\u000d"
    assert printable("a\nb", keep="") == "a\\u000ab"


def test_a_character_is_named() -> None:
    assert character("x") == "'x'"
    assert character(" ") == "a space"
    assert character("\u202e") == "U+202E (RIGHT-TO-LEFT OVERRIDE)"
    assert character("\x01") == "U+0001"
