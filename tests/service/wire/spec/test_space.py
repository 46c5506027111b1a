"""Branches: what is searched without a space, and what is stored of it."""

from typing import Any

import pytest

from metaopt.algorithms.registry import ALGORITHMS, parameters
from service.errors import InvalidSpec
from service.wire.spec.refusals import parse_spec
from service.wire.spec.space import Branch, ChoiceList, Range, documented_space
from tests.fakes.specs import LEAST


def branch(**fields: Any) -> Branch:
    return parse_spec({**LEAST, "branches": [fields]}).branches[0]


@pytest.mark.parametrize(
    ("algorithm", "searched"),
    [
        ("maml", ["inner_lr", "inner_steps", "outer_lr"]),
        ("reptile", ["inner_lr", "inner_steps", "epsilon"]),
    ],
)
def test_a_branch_without_a_space_searches_rates_and_steps(
    algorithm: str, searched: list[str]
) -> None:
    found = branch(algorithm=algorithm).distributions()
    assert list(found) == searched
    for name, entry in found.items():
        param = parameters(algorithm)[name]
        assert entry == Range(low=param.low, high=param.high, log=param.log)


def test_no_structural_parameter_is_searched_unasked() -> None:
    for algorithm in ALGORITHMS.kinds():
        assert all(param.lane for param in algorithm.params if param.searched)
        assert not algorithm.outer_rate or algorithm.parameters()[algorithm.outer_rate].searched


def test_an_empty_space_searches_nothing() -> None:
    empty = branch(algorithm="reptile", space={})
    assert empty.distributions() == {}
    assert empty.fixed() == empty.defaults() == branch(algorithm="reptile").defaults()


def test_what_is_stored_names_its_ranges_and_means_the_same_when_it_is_read() -> None:
    for fields in (
        {"algorithm": "maml"},
        {"algorithm": "maml", "space": {}},
        {"algorithm": "reptile", "space": {"epsilon": "default", "inner_lr": 0.1}},
    ):
        stored = branch(**fields).model_dump(mode="json")
        assert "default" not in stored["space"].values()
        assert Branch.model_validate(stored) == branch(**fields)
    assert stored["space"] == {"epsilon": {"low": 0.03, "high": 1.0, "log": True}, "inner_lr": 0.1}


def test_a_documented_range_of_choices_lists_them() -> None:
    found = branch(algorithm="reptile", space={"inner_optimizer": "default"}).distributions()
    assert found == {"inner_optimizer": ChoiceList(choices=["sgd", "adam"])}


def test_a_wrong_algorithm_is_the_only_error() -> None:
    for space in ({}, {"space": {"inner_lr": "default"}}):
        with pytest.raises(InvalidSpec) as caught:
            branch(algorithm="mamel", **space)
        assert [error.field for error in caught.value.errors] == ["branches[0].algorithm"]
    assert documented_space("mamel") == {}


def test_the_schema_promises_no_default_space() -> None:
    schema = Branch.model_json_schema()
    assert schema["required"] == ["algorithm"] and "default" not in schema["properties"]["space"]
