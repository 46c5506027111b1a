"""Meta-hyperparameters and their rules."""

import math

import pytest

from metaopt.algorithms.registry import ALGORITHMS, complete, parameters
from metaopt.errors import InvalidMetaParameter


@pytest.mark.parametrize("algorithm", ALGORITHMS.names())
def test_every_parameter_is_documented_and_its_default_and_range_obey_its_rule(algorithm):
    for param in parameters(algorithm).values():
        assert param.doc.endswith(".") and param.source
        assert param.check(param.default) == param.default
        if param.kind != "choice":
            assert param.minimum <= param.low < param.high <= param.maximum
            assert not param.log or param.low > 0


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"inner_lr": math.nan}, "inner_lr must be finite, got nan"),
        ({"inner_lr": 0}, "inner_lr must be in"),
        ({"inner_lr": "big"}, "inner_lr must be a number, got 'big'"),
        ({"inner_lr": True}, "inner_lr must be a number"),
        ({"inner_steps": 1.5}, "inner_steps must be a whole number"),
        ({"order": "third"}, "order must be one of second, first, got 'third'"),
        (
            {"innerlr": 1},
            "maml has no parameter 'innerlr', did you mean inner_lr\\? it has inner_lr",
        ),
    ],
)
def test_bad_values_are_named_with_their_rule(values, message):
    with pytest.raises(InvalidMetaParameter, match=message):
        complete("maml", values)


def test_unknown_algorithms_are_refused():
    with pytest.raises(InvalidMetaParameter, match="'sgd'"):
        parameters("sgd")


def test_whole_floats_become_ints():
    values = complete("maml", {"inner_steps": 3.0, "meta_batch": 8})
    assert values["inner_steps"] == 3 and isinstance(values["inner_steps"], int)
