"""Samplers and spaces that do not fit."""

from typing import Any

import pytest
from pydantic import ValidationError

from service.wire.spec.pruning import Pruning
from service.wire.spec.study import Search, StudySpec
from tests.fakes.specs import small_spec

MAML = {"inner_lr": {"low": 0.001, "high": 1.0, "log": True}}


def spec(sampler: str, space: dict[str, Any], **search: Any) -> StudySpec:
    return small_spec(
        branches=[{"algorithm": "maml", "space": space}], search={"sampler": sampler, **search}
    )


@pytest.mark.parametrize(
    ("sampler", "space", "message"),
    [
        (
            "cma-es",
            {**MAML, "order": {"choices": ["first", "second"]}},
            "cma-es searches ranges of numbers only, order .branch maml. has choices: give it one",
        ),
        ("cma-es", MAML, "cma-es needs at least 2 searched parameters, branch maml has 1: search"),
        (
            "grid",
            {**MAML, "meta_batch": {"low": 1, "high": 500}, "inner_steps": {"low": 1, "high": 9}},
            r"1000 .inner_lr. x 500 .meta_batch. x 9 .inner_steps.; the most is 1000000: lower",
        ),
    ],
)
def test_a_sampler_that_cannot_search_a_space_is_refused_with_a_way_out(
    sampler: str, space: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValidationError, match=message):
        spec(sampler, space, grid_points=1000)


@pytest.mark.parametrize("sampler", ["random", "grid", "qmc", "tpe", "gp", "auto"])
def test_all_others_search_choices_and_single_parameters(sampler: str) -> None:
    assert spec(sampler, {"order": {"choices": ["first", "second"]}}).search.sampler == sampler
    assert spec(sampler, {}).search.sampler == sampler


def test_defaults_and_bounds() -> None:
    assert (Search().sampler, Search().grid_points) == ("auto", 5)
    assert Pruning(kind="hyperband").percentile == 25.0
    for percentile in (0.0, 100.0):
        with pytest.raises(ValidationError):
            Pruning(percentile=percentile)
