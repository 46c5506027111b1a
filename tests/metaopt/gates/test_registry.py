"""What may be written as a gate, and that another rule is one more record."""

import math

import pytest

from metaopt.errors import InvalidGate
from metaopt.gates.registry import RULES, forms, parse_rule
from service.wire.spec.gates import Gates
from tests.fakes.toy_gate import STEADY


def test_rules_are_listed_as_people_write_them() -> None:
    assert forms() == [
        "better",
        "no-worse:DELTA",
        "at-least:VALUE",
        "cost:METRIC<=BOUND",
        "divergence:SHARE",
        "useful",
    ]


@pytest.mark.parametrize(
    "text", ["best", "better:1", "better:", "no-worse", "at-least", "useful:1", ""]
)
def test_what_is_no_rule_is_refused_with_all_that_are(text: str) -> None:
    with pytest.raises(InvalidGate, match="a gate must be better, no-worse:DELTA, .* or useful"):
        parse_rule(text)


@pytest.mark.parametrize(
    ("text", "refusal"),
    [
        ("no-worse:-1", "a number >= 0, got '-1' in 'no-worse:-1'"),
        ("no-worse:x", "a number >= 0, got 'x'"),
        ("at-least:inf", "a finite number, got 'inf'"),
        ("divergence:1.5", r"in \[0, 1\], got '1.5'"),
        ("divergence:0", "a share of 0 cannot be shown by any number of tasks"),
        ("cost:seconds<=5", "METRIC one of adaptation_examples, "),
        ("cost:peak_memory_bytes", "cost:METRIC<=BOUND"),
        ("cost:peak_memory_bytes<=y", "a number >= 0, got 'y'"),
    ],
)
def test_an_argument_out_of_bounds_is_refused(text: str, refusal: str) -> None:
    with pytest.raises(InvalidGate, match=refusal):
        parse_rule(text)


@pytest.mark.parametrize(
    ("text", "compares", "costs"),
    [
        ("better", True, ()),
        ("no-worse:0.1", True, ()),
        ("at-least:-3", False, ()),
        ("divergence:0.01", False, ()),
        ("cost:adaptation_examples<=50", False, ("adaptation_examples",)),
        ("cost:adaptation_milliseconds <= 1.2x", True, ("adaptation_milliseconds",)),
    ],
)
def test_a_rule_says_what_it_needs(text: str, compares: bool, costs: tuple[str, ...]) -> None:
    rule = parse_rule(text)
    assert (rule.compares, rule.costs) == (compares, costs)


def test_a_spec_takes_a_rule_as_long_as_there_is_one() -> None:
    with RULES.including(STEADY):
        (rule,) = Gates(rules=["steady:0.1"]).parsed()
        assert rule.argument == 0.1 and forms()[-1] == "steady:MOST"
        with pytest.raises(ValueError, match="a number >= 0, got 'x'"):
            Gates(rules=["steady:x"])
    with pytest.raises(ValueError, match="a gate must be better"):
        Gates(rules=["steady:0.1"])


def test_every_rule_stands_under_the_name_that_it_is_written_with() -> None:
    for kind in RULES.kinds():
        assert kind.form.partition(":")[0] == kind.name
        assert (":" in kind.form) == (kind.read is not None)
    assert math.isfinite(parse_rule("at-least:0.5").argument)
