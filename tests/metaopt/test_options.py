"""Options: a declaration that is wrong fails where it is made."""

import math
from typing import Any

import numpy as np
import pytest
import torch

from metaopt.errors import InvalidTasks, MetaoptError
from metaopt.options import Option, complete, with_defaults


@pytest.mark.parametrize(
    ("option", "words"),
    [
        ({"name": "kind", "type": "text", "default": "x"}, "may not be called 'kind'"),
        ({"name": "input_shape", "type": "int", "default": 1}, "may not be called"),
        ({"name": "_x", "type": "int", "default": 1}, "may not be called '_x'"),
        (
            {"name": "n", "type": "int", "default": 1, "minimum": 2},
            "default of option n must be >= 2, got 1",
        ),
        ({"name": "w", "type": "widths", "default": (8, 9), "maximum": 8}, "got 9"),
        ({"name": "c", "type": "choice", "default": "z", "choices": ("a",)}, "one of a, got 'z'"),
        ({"name": "i", "type": "interval", "default": (5.0, 1.0)}, "low must be below high"),
        ({"name": "f", "type": "flaot", "default": 1.0}, "one of int, float, .* mean float"),
    ],
)
def test_a_bad_declaration_is_refused(option: dict[str, Any], words: str) -> None:
    with pytest.raises(MetaoptError, match=words):
        Option(**option)


OPTIONS = (
    Option("n", "int", 3, minimum=1, maximum=9),
    Option("rate", "float", 0.5, minimum=0, maximum=1),
    Option("on", "bool", True),
    Option("c", "choice", "relu", choices=("relu", "tanh")),
    Option("split", "text", "a", pattern="a|b:[0-9]", form="a, or b: and a digit"),
    Option("x", "interval", (0.0, 1.0)),
    Option("widths", "widths", (8,), minimum=1, maximum=64),
)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"n": "3"}, "t.n must be a whole number, got '3'"),
        ({"n": True}, "t.n must be a whole number, got True"),
        ({"n": 3.0}, "t.n must be a whole number, got 3.0"),
        ({"n": 10}, r"t.n must be in \[1, 9\], got 10"),
        ({"n": 10**400}, r"t.n must be in \[1, 9\], got 1000"),
        ({"rate": math.nan}, "t.rate must be finite, got nan"),
        ({"rate": "x"}, "t.rate must be a number, got 'x'"),
        ({"on": 1}, "t.on must be true or false, got 1"),
        ({"c": "rleu"}, "t.c must be one of relu, tanh, got 'rleu', did you mean relu"),
        ({"c": ["relu"]}, "t.c must be one of relu, tanh, got"),
        ({"split": "b:12"}, "t.split must be a, or b: and a digit, got 'b:12'"),
        ({"split": "a\n"}, "t.split must be a, or b"),
        ({"x": [1]}, "t.x must be two numbers, low and high"),
        ({"x": [1, 1]}, r"t.x low must be below high, got \[1.0, 1.0\]"),
        ({"x": [0, 1e7]}, "t.x must have bounds within"),
        ({"x": [0, math.inf]}, "t.x must be finite, got inf"),
        ({"widths": []}, "t.widths must be a list of 1 to 8 whole numbers"),
        ({"widths": [8] * 9}, "t.widths must be a list of 1 to 8 whole numbers"),
        ({"widths": [0]}, r"t.widths must be in \[1, 64\], got 0"),
        ({"width": 8}, "t kind has no option 'width', did you mean widths\\? it has n, rate"),
        ({3: 8}, "t kind has no option 3; it has n, rate"),
    ],
)
def test_a_value_that_breaks_its_rule_is_refused(given: Any, words: str) -> None:
    with pytest.raises(InvalidTasks, match=words):
        complete("t kind", OPTIONS, given, InvalidTasks)


def test_numbers_of_numpy_and_torch_are_as_good() -> None:
    given = {
        "n": np.int8(4),
        "rate": torch.tensor(0.25),
        "on": np.bool_(False),
        "x": np.array([1, 2]),
        "widths": torch.tensor([4, 5]),
    }
    assert complete("t", OPTIONS, given, InvalidTasks) == {
        "n": 4,
        "rate": 0.25,
        "on": False,
        "c": "relu",
        "split": "a",
        "x": (1.0, 2.0),
        "widths": [4, 5],
    }


def test_what_is_not_given_has_its_default() -> None:
    options = (Option("n", "int", 3), Option("c", "choice", "a", choices=("a", "b")))
    assert with_defaults(options, {"c": "b"}) == {"n": 3, "c": "b"}
