"""Objectives and constraints of a spec."""

import pytest
from pydantic import ValidationError

from service.wire.spec.study import StudySpec
from tests.fakes.specs import SMALL, small_spec

TWO = ["score", "adaptation_examples"]


def test_an_older_spec_has_the_score_alone() -> None:
    old = small_spec().model_dump(mode="json")
    for name in ("objectives", "constraints"):
        del old[name]
    del old["pruning"]["metric"]
    spec = StudySpec.model_validate(old)
    assert spec == small_spec()
    assert not spec.beyond_score() and spec.measured() == []
    assert spec.goals().objectives == ("score",) and spec.goals().bounds == {}


def test_what_is_named_anywhere_is_measured() -> None:
    assert small_spec(objectives=["score", "peak_memory_bytes"]).measured() == ["peak_memory_bytes"]
    bound = {"adaptation_milliseconds": 5.0}
    assert small_spec(constraints=bound).measured() == ["adaptation_milliseconds"]
    by = {"kind": "median", "rungs": [60], "metric": "adaptation_milliseconds"}
    assert small_spec(pruning=by).measured() == ["adaptation_milliseconds"]
    assert small_spec(objectives=TWO).measured() == []
    assert all(small_spec(**c).beyond_score() for c in ({"pruning": by}, {"objectives": TWO}))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"objectives": []}, "at least 1 item"),
        ({"objectives": ["speed"]}, "objectives.0"),
        ({"objectives": ["adaptation_examples", "score"]}, "must begin with score, got adaptation"),
        ({"objectives": ["score", "score"]}, "each objective may be named once, got score, score"),
        ({"objectives": ["score", "diverged_share"]}, "objectives.1"),
        ({"constraints": {"score": 1.0}}, "constraints.score"),
        ({"constraints": {"diverged_share": 1.0}}, "less than 1"),
        ({"constraints": {"adaptation_examples": 0}}, "greater than or equal to 1"),
        ({"pruning": {"kind": "race", "metric": "peak_memory_bytes"}}, "race compares scores by"),
        ({"objectives": TWO, "verdict": {"extra_finalists": 1}}, "set it to 0"),
    ],
)
def test_what_does_not_fit_is_refused_with_the_way_out(changes, message) -> None:
    with pytest.raises(ValidationError, match=message):
        StudySpec.model_validate({**SMALL, **changes})


def test_samplers_of_one_objective_refuse_two_and_name_the_others() -> None:
    with pytest.raises(
        ValidationError,
        match="sampler gp searches for one objective.*auto, grid, qmc, random or tpe, or make",
    ):
        small_spec(objectives=TWO, search={"sampler": "gp"})
    small_spec(constraints={"adaptation_examples": 5}, search={"sampler": "gp"})
