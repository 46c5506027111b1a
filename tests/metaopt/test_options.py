"""Options: a declaration that is wrong fails where it is made."""

from typing import Any

import pytest

from metaopt.errors import MetaoptError
from metaopt.options import Option, with_defaults


@pytest.mark.parametrize(
    ("option", "words"),
    [
        ({"name": "kind", "type": "text", "default": "x"}, "may not be called 'kind'"),
        ({"name": "input_shape", "type": "int", "default": 1}, "may not be called"),
        ({"name": "_x", "type": "int", "default": 1}, "may not be called '_x'"),
        ({"name": "n", "type": "int", "default": 1, "minimum": 2}, r"in \[2, inf\], got 1"),
        ({"name": "w", "type": "widths", "default": (8, 9), "maximum": 8}, r"got \(8, 9\)"),
        ({"name": "c", "type": "choice", "default": "z", "choices": ("a",)}, "one of a, got 'z'"),
        ({"name": "i", "type": "interval", "default": (5.0, 1.0)}, "must rise"),
    ],
)
def test_a_bad_declaration_is_refused(option: dict[str, Any], words: str) -> None:
    with pytest.raises(MetaoptError, match=words):
        Option(**option)


def test_what_is_not_given_has_its_default() -> None:
    options = (Option("n", "int", 3), Option("c", "choice", "a", choices=("a", "b")))
    assert with_defaults(options, {"c": "b"}) == {"n": 3, "c": "b"}
