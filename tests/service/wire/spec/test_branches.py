"""Branches have names: one algorithm may have several, each with a model of its own."""

import json
from dataclasses import replace
from typing import Any

import pytest

from metaopt.algorithms.registry import ALGORITHMS
from service.errors import InvalidSpec
from service.operations.submit import spec_digest
from service.wire.spec.beyond_defaults import beyond_defaults
from service.wire.spec.compare import reference
from service.wire.spec.refusals import parse_spec
from service.wire.spec.study import StudySpec
from tests.fakes.specs import LEAST, NAMED, SMALL, SPEC

MAML = {"algorithm": "maml"}
ALLOWED = "take letters A-Z and a-z, digits, _ and - after a first letter or digit"


def refusal(branches: list[dict[str, Any]], **changes: Any) -> dict[str, str]:
    with pytest.raises(InvalidSpec) as refused:
        parse_spec({**SMALL, "branches": branches, **changes})
    return {error.field: error.message for error in refused.value.errors}


def test_a_branch_is_called_as_its_algorithm_unless_it_has_a_name() -> None:
    assert [branch.name for branch in parse_spec(SMALL).branches] == ["maml", "reptile"]
    assert [branch.name for branch in parse_spec(NAMED).branches] == ["first", "second", "wide"]
    mixed = parse_spec({**SMALL, "branches": [MAML, {**MAML, "name": "other"}]})
    assert [branch.name for branch in mixed.branches] == ["maml", "other"]


def test_the_same_algorithm_twice_is_asked_for_names() -> None:
    assert refusal([MAML, MAML]) == {
        "branches": "must have names of their own, got maml, maml, where one without a name is "
        "called as its algorithm: give each of these a name, as name: maml-1"
    }
    same = {**MAML, "name": "a"}
    assert refusal([same, same])["branches"].startswith("must have names of their own, got a, a: ")


@pytest.mark.parametrize(
    ("name", "rule"),
    [
        ("", "must not be empty"),
        ("second order", f"may not have a space, character 7 of 'second order': {ALLOWED}"),
        ("a.b", "may not have '.'"),
        ("-a", "may not begin with '-'"),
        ("x" * 33, "must have at most 32 characters, got 33"),
        (7, "must be a valid string, got 7"),
    ],
)
def test_a_name_that_may_not_be_is_refused_at_its_place(name: object, rule: str) -> None:
    found = refusal([MAML, {**MAML, "name": name}])
    assert found["branches[1].name"].startswith(rule)


def test_an_algorithm_with_a_long_name_needs_a_short_one_for_its_branch() -> None:
    long = replace(ALGORITHMS.get("maml"), name="m" * 33)
    with ALGORITHMS.including(long):
        branch = {"algorithm": long.name, "space": {}}
        rule = refusal([branch])["branches"]
        assert rule.startswith("must have names of at most 32 characters: give that of mmm")
        assert parse_spec({**LEAST, "branches": [{**branch, "name": "m"}]}).branches


def test_an_algorithm_that_is_not_there_is_one_mistake() -> None:
    assert set(refusal([{"algorithm": "mamml"}])) == {"branches[0].algorithm"}


@pytest.mark.parametrize(
    ("model", "field", "rule"),
    [
        ({"kind": "mlpp"}, "branches[0].model.kind", "did you mean mlp?"),
        ({"kind": "mlp", "widths": [0]}, "branches[0].model.widths", "must be in [1, 4096]"),
        ({"kind": "mlp", "width": 3}, "branches[0].model.width", "did you mean widths?"),
        ({"kind": "conv4"}, "spec", "branch first: model conv4 needs images"),
    ],
)
def test_a_model_is_checked_in_its_branch(model: dict[str, Any], field: str, rule: str) -> None:
    assert rule in refusal([{**MAML, "name": "first", "model": model}])[field]


def test_each_branch_is_as_large_as_its_own_model() -> None:
    large = {"kind": "mlp", "widths": [4096] * 8}
    space = {"meta_batch": 4096}
    huge = {**MAML, "name": "huge", "model": large, "space": space}
    assert "one trial would need about" in refusal([MAML, huge])["spec"]
    small = {**MAML, "model": {"kind": "mlp", "widths": [2]}, "space": space}
    assert parse_spec({**LEAST, "model": large, "branches": [small]}).branches


def test_a_model_takes_the_place_of_the_study_s_whole() -> None:
    spec = parse_spec({**NAMED, "model": {"kind": "mlp", "activation": "tanh"}})
    first, _, wide = spec.branches
    assert spec.model_of(first).chosen()["activation"] == "tanh"
    options = spec.model_of(wide).chosen()
    assert (options["widths"], options["activation"]) == ([24], "relu")


def test_a_spec_without_names_has_the_digest_that_it_had_before_there_were_any() -> None:
    # As computed by the version before branches had names.
    assert spec_digest(parse_spec(SMALL))[:16] == "a9c135ed30fdaaa3"
    assert spec_digest(parse_spec(SPEC))[:16] == "c05c14803dc4583c"
    assert spec_digest(parse_spec(LEAST))[:16] == "844f152aeb756e81"
    written = {**SMALL, "branches": [{"name": b["algorithm"], **b} for b in SMALL["branches"]]}
    assert spec_digest(parse_spec(written)) == spec_digest(parse_spec(SMALL))
    assert spec_digest(parse_spec(NAMED)) != spec_digest(
        parse_spec(
            {
                **NAMED,
                "branches": [*NAMED["branches"][:2], {**NAMED["branches"][0], "name": "wide"}],
            }
        )
    )


def test_a_stored_spec_of_a_time_without_names_is_read_as_it_was_meant() -> None:
    stored = parse_spec(SMALL).model_dump(mode="json")
    for branch in stored["branches"]:
        assert (branch.pop("name"), branch.pop("model")) == (branch["algorithm"], None)
    assert StudySpec.model_validate(json.loads(json.dumps(stored))) == parse_spec(SMALL)


def test_a_search_is_seeded_by_the_name_of_its_branch() -> None:
    old, named = parse_spec(SMALL), parse_spec(NAMED)
    assert [old.problem(branch).branch for branch in old.branches] == ["maml", "reptile"]
    seeds = {named.problem(branch).seed(0) for branch in named.branches}
    assert len(seeds) == 3


def test_names_and_models_are_shown_where_they_say_more_than_the_default() -> None:
    assert "name" not in beyond_defaults(parse_spec(SMALL))["branches"][0]
    first, _, wide = beyond_defaults(parse_spec(NAMED))["branches"]
    assert (first["name"], "model" in first) == ("first", False)
    assert wide["model"] == {"kind": "mlp", "widths": [24]}


def test_defaults_and_recipes_are_those_of_the_branch_that_leads() -> None:
    branches = [*parse_spec(NAMED).branches, *parse_spec(SMALL).branches[1:]]
    for leading in ("first", "second"):
        default = reference("default", branches, leading)
        assert default is not None
        assert (default.branch, default.params["order"]) == (leading, leading)
        recipe = reference("paper:maml-sinusoid", branches, leading)
        assert recipe is not None and recipe.branch == leading
    led = reference("paper:maml-sinusoid", branches, "reptile")
    assert led is not None and led.branch == "first"


def test_a_point_to_begin_with_is_of_a_branch_by_name() -> None:
    begin = {"trials": [{"branch": "second", "params": {"inner_lr": 0.01}}]}
    assert parse_spec({**NAMED, "warm_start": begin}).warm_start.trials[0].branch == "second"
    begin = {"trials": [{"branch": "maml", "params": {"inner_lr": 0.01}}]}
    rule = refusal(NAMED["branches"], warm_start=begin)["spec"]
    assert rule == "warm_start.trials[0].branch must be one of first, second, wide, got 'maml'"
