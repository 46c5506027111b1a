"""Cost at the door: what would own a machine is refused, with value, limit and setting."""

import math
from typing import Any

import pytest

from service.errors import InvalidSpec
from service.planning.door import Measured, MostCost, check_cost, evaluation_costs
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
    seconds, ground = evaluation_costs(long)["evaluation"]
    assert ground == "by rule"
    assert 20 < seconds < 2000
    with pytest.raises(InvalidSpec) as caught:
        check_cost(long, MostCost(math.inf, 10.0))
    [error] = [error for error in caught.value.errors if error.field == "evaluation.tasks"]
    assert (
        f"about {seconds:.0f} s (by rule), the most here is 10 (METAOPT_EVALUATION_SECONDS)"
        in error.message
    )


def test_what_was_measured_corrects_the_rule_and_is_named() -> None:
    long = spec(evaluation={"tasks": 10_000, "curve_steps": 200})
    rule = evaluation_costs(long)["evaluation"].seconds
    slow = {branch.name: Measured(3.0, 12) for branch in long.branches}
    seconds, ground = evaluation_costs(long, slow)["evaluation"]
    assert (seconds, ground) == (pytest.approx(3 * rule), "measured on 12 segments")
    fast = {branch.name: Measured(1e-3, 1) for branch in long.branches}
    check_cost(long, MostCost(math.inf, 10.0), fast)
    with pytest.raises(InvalidSpec, match=r"\(measured on 12 segments\), the most here is 10"):
        check_cost(long, MostCost(math.inf, 10.0), slow)


def test_the_estimate_grows_with_tasks_steps_examples_and_the_model() -> None:
    def seconds(**changes: Any) -> float:
        return evaluation_costs(spec(**changes))["evaluation"].seconds

    base = {"tasks": 100, "curve_steps": 20, "k_shot": 5}
    least = seconds(evaluation=base)
    assert seconds(evaluation={**base, "tasks": 200}) == pytest.approx(2 * least)
    assert seconds(evaluation={**base, "curve_steps": 40}) == pytest.approx(2 * least)
    assert seconds(evaluation={**base, "k_shot": 10}) > least
    assert seconds(evaluation=base, model={"kind": "mlp", "widths": [512, 512]}) > 2 * least


@pytest.mark.parametrize("name", ["inner_steps", "test_steps"])
def test_the_steps_that_a_trial_is_judged_with_count(name: str) -> None:
    def seconds(steps: int) -> float:
        branches = [{"algorithm": "maml", "space": {"inner_steps": 1, name: steps}}]
        judged = spec(branches=branches, evaluation={"tasks": 100, "curve_steps": 5})
        return evaluation_costs(judged)["evaluation"].seconds

    assert seconds(5) == seconds(1)  # the curve's five are taken anyway
    assert seconds(50) == pytest.approx(10 * seconds(1))


def test_what_only_the_verdict_trains_counts_there() -> None:
    beside = {"tasks": 20, "seeds": 2, "finalists": 1}
    alone, compared = (
        evaluation_costs(spec(evaluation={"curve_steps": 2}, verdict={**beside, "compare": names}))
        for names in ("none", ["scratch"])
    )
    assert compared["verdict"].seconds > 2 * alone["verdict"].seconds
    assert compared["evaluation"] == alone["evaluation"]


def test_examples_of_ours_are_far_below_the_defaults() -> None:
    assert spec().lane_bytes() < 2**30
    assert max(evaluation_costs(spec()).values()) < (60, "")
