"""A spec takes every kind that a registry has, at the moment it is validated."""

from typing import Any

import pytest
from pydantic import ValidationError

from metaopt.algorithms.registry import ALGORITHMS
from metaopt.models.registry import MODELS
from metaopt.tasks.registry import TASKS
from service.errors import InvalidSpec
from service.planning.signatures import trial_signature
from service.wire.spec.refusals import parse_spec
from service.wire.spec.study import StudySpec
from tests.fakes.specs import LEAST
from tests.fakes.toys import PARABOLA, PULLED, QUADRATIC

TOYS = {
    **LEAST,
    "tasks": {"kind": "parabola", "steepest": 3.0},
    "model": {"kind": "quadratic"},
    "branches": [{"algorithm": "pulled", "space": {"pull": "default", "inner_lr": 0.2}}],
}


def toys(**changes: Any) -> StudySpec:
    with TASKS.including(PARABOLA), MODELS.including(QUADRATIC), ALGORITHMS.including(PULLED):
        return parse_spec({**TOYS, **changes})


def test_kinds_of_a_registry_are_accepted_with_their_defaults() -> None:
    with TASKS.including(PARABOLA), MODELS.including(QUADRATIC), ALGORITHMS.including(PULLED):
        spec = StudySpec.model_validate(TOYS)
        assert spec.model_dump()["tasks"] == {
            "kind": "parabola", "k_shot": 10, "q_query": 10, "steepest": 3.0, "axis": "up",
        }  # fmt: skip
        assert spec.tasks.k_shot == 10 and spec.model.kind == "quadratic"
        assert (spec.metric(), spec.maximize()) == ("mse", False)
        assert StudySpec.model_validate(spec.model_dump()) == spec
        assert StudySpec.model_validate_json(spec.model_dump_json()) == spec
        signature = trial_signature(spec, spec.branches[0], spec.branches[0].defaults())
        assert signature.algorithm == "pulled" and signature.structure == {"meta_batch": 4}


def test_kinds_that_are_in_no_registry_are_refused() -> None:
    for part in ("tasks", "model", "branches"):
        with pytest.raises(ValidationError):
            StudySpec.model_validate({**LEAST, part: TOYS[part]})


@pytest.mark.parametrize(
    ("changes", "field", "rule"),
    [
        ({"tasks": {"kind": "x"}}, "tasks.kind", "'omniglot', 'parabola', 'quadratic', 'sinusoid'"),
        ({"tasks": {}}, "tasks.kind", "is required"),
        ({"tasks": 3}, "tasks", "must be"),
        ({"tasks": {"kind": "parabola", "deep": 1}}, "tasks.deep", "is not a known field"),
        ({"tasks": {"kind": "parabola", "steepest": 101}}, "tasks.steepest", "100], got 101"),
        ({"tasks": {"kind": "parabola", "axis": "left"}}, "tasks.axis", "must be one of up, down"),
        ({"tasks": {"kind": "parabola", "steepest": 0}}, "tasks", "steepest must not be 0"),
        (
            {"tasks": {"kind": "parabola", "k_shot": 41}},
            "tasks",
            "k_shot + q_query must be at most the 50 points of a parabola, got 41 + 10",
        ),
        (
            {"evaluation": {"k_shot": 45}},
            "spec",
            "evaluation.k_shot + evaluation.q_query must be at most the 50 points of a parabola",
        ),
        ({"tasks": {"kind": "linear", "features": 2}}, "spec", "quadratic needs one number"),
        ({"model": {"kind": "conv4"}}, "spec", "conv4 needs images of at least 16×16"),
        (
            {"branches": [{"algorithm": "x"}]},
            "branches[0].algorithm",
            "'protonet', 'pulled', 'r2d2'",
        ),
        (
            {"branches": [{"algorithm": "pulled", "space": {"push": 1}}]},
            "branches[0].space.push",
            "pulled has no parameter 'push'",
        ),
    ],
)
def test_a_refusal_names_field_and_rule(changes: dict[str, Any], field: str, rule: str) -> None:
    with pytest.raises(InvalidSpec) as refusal:
        toys(**changes)
    assert refusal.value.errors[0].field == field
    assert rule in refusal.value.errors[0].message


def test_the_schema_lists_the_kinds_of_the_moment() -> None:
    assert "ParabolaTasks" not in StudySpec.model_json_schema()["$defs"]
    with TASKS.including(PARABOLA):
        schema = StudySpec.model_json_schema()
    steepest = schema["$defs"]["ParabolaTasks"]["properties"]["steepest"]
    assert (steepest["minimum"], steepest["maximum"], steepest["default"]) == (0, 100, 2.0)
    assert "parabola" in schema["properties"]["tasks"]["discriminator"]["mapping"]
