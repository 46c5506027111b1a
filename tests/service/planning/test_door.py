"""Cost at the door: what would own a machine is refused, with value, limit and setting."""

import math
from typing import Any

import pytest

from service.errors import InvalidSpec
from service.planning.door import MostCost, check_cost, evaluation_seconds
from service.wire.spec.study import StudySpec
from tests.fakes.specs import SPEC

ANY = MostCost(math.inf, math.inf)


def spec(**changes: Any) -> StudySpec:
    return StudySpec.model_validate({**SPEC, **changes})


def test_a_wide_model_is_refused_by_the_memory_of_a_trial() -> None:
    space = {"meta_batch": 1, "inner_steps": 1}
    wide = spec(
        model={"kind": "mlp", "widths": [4096] * 8},
        branches=[{"algorithm": "maml", "space": space}],
        evaluation={"tasks": 2},
        verdict={"tasks": 2},
    )
    assert wide.lane_bytes() > 2**30
    check_cost(wide, ANY)
    with pytest.raises(InvalidSpec) as caught:
        check_cost(wide, MostCost(2**30, math.inf))
    [error] = caught.value.errors
    assert error.field == "model"
    assert "GiB, the most here is 1.0 (METAOPT_LANE_BYTES)" in error.message


def test_a_long_evaluation_is_refused_by_its_seconds() -> None:
    long = spec(evaluation={"tasks": 10_000, "curve_steps": 200})
    seconds = evaluation_seconds(long)["evaluation"]
    assert 20 < seconds < 2000
    with pytest.raises(InvalidSpec) as caught:
        check_cost(long, MostCost(math.inf, 10.0))
    [error] = [error for error in caught.value.errors if error.field == "evaluation.tasks"]
    assert (
        f"about {seconds:.0f} s, the most here is 10 (METAOPT_EVALUATION_SECONDS)" in error.message
    )


def test_the_estimate_grows_with_tasks_steps_examples_and_the_model() -> None:
    def seconds(**changes: Any) -> float:
        return evaluation_seconds(spec(**changes))["evaluation"]

    base = {"tasks": 100, "curve_steps": 20, "k_shot": 5}
    least = seconds(evaluation=base)
    assert seconds(evaluation={**base, "tasks": 200}) == pytest.approx(2 * least)
    assert seconds(evaluation={**base, "curve_steps": 40}) == pytest.approx(2 * least)
    assert seconds(evaluation={**base, "k_shot": 10}) > least
    assert seconds(evaluation=base, model={"kind": "mlp", "widths": [512, 512]}) > 2 * least


def test_examples_of_ours_are_far_below_the_defaults() -> None:
    assert spec().lane_bytes() < 2**30
    assert max(evaluation_seconds(spec()).values()) < 60
