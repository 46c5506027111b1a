"""Objectives and constraints of a spec."""

import pytest
from pydantic import ValidationError

from metaopt.costs.registry import COSTS
from service.errors import InvalidSpec
from service.wire.spec.refusals import parse_spec
from service.wire.spec.study import StudySpec
from tests.fakes.specs import SMALL, small_spec
from tests.fakes.toy_cost import STATE_BYTES

TWO = ["score", "adaptation_examples"]
EACH = {"finalists_from": "each_branch"}


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
    against = {"cost": "adaptation_flops"}
    assert small_spec(verdict=against).measured() == ["adaptation_flops"]
    assert not small_spec(verdict=against).beyond_score()
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
        ({"objectives": TWO, "verdict": EACH}, "must be all with several objectives"),
        ({"verdict": {**EACH, "extra_finalists": 1}}, "extra_finalists must be 0 with finalists_f"),
        ({"verdict": {"cost": "diverged_share"}}, "verdict.cost"),
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


TOY = {
    "objectives": ["score", "state_bytes"],
    "constraints": {"state_bytes": 4096},
    "pruning": {"kind": "median", "rungs": [60], "metric": "state_bytes"},
    "gates": {"rules": ["cost:state_bytes<=4096"]},
}


@pytest.mark.parametrize("part", list(TOY))
def test_a_cost_of_somebody_else_can_be_whatever_ours_can(part: str) -> None:
    with COSTS.including(STATE_BYTES):
        spec = small_spec(**{part: TOY[part]})
        assert spec.measured() == ["state_bytes"]
        assert StudySpec.model_validate_json(spec.model_dump_json()) == spec
        assert spec.model_dump()["constraints"]["state_bytes"] in (None, 4096)
    with pytest.raises(InvalidSpec, match="state_bytes"):
        parse_spec({**SMALL, part: TOY[part]})


def test_a_bound_on_a_cost_of_somebody_else_is_one_of_the_study_s() -> None:
    with COSTS.including(STATE_BYTES):
        bounds = {"state_bytes": 4096, "adaptation_examples": 5}
        goals = small_spec(constraints=bounds).goals()
        assert goals.bounds == {"adaptation_examples": 5.0, "state_bytes": 4096.0}
        assert goals.broken({"state_bytes": 5000, "adaptation_examples": 5}) == ["state_bytes"]
        with pytest.raises(InvalidSpec, match="constraints.state_bytes: must be greater than or"):
            parse_spec({**SMALL, "constraints": {"state_bytes": 0}})
        schema = StudySpec.model_json_schema()
        assert "state_bytes" in schema["$defs"]["Constraints"]["properties"]
        assert "state_bytes" in schema["properties"]["objectives"]["items"]["enum"]
    assert "state_bytes" not in small_spec().model_dump()["constraints"]


def test_bounds_are_told_in_the_order_in_which_they_always_were() -> None:
    assert list(small_spec().model_dump()["constraints"]) == [
        "peak_memory_bytes",
        "adaptation_milliseconds",
        "adaptation_examples",
        "diverged_share",
        "adaptation_flops",
    ]


def test_an_unknown_name_is_refused_in_the_words_of_a_choice() -> None:
    with pytest.raises(InvalidSpec) as refused:
        parse_spec({**SMALL, "objectives": ["score", 5]})
    assert str(refused.value) == (
        "objectives[1]: must be 'score', 'adaptation_examples', 'adaptation_flops', "
        "'adaptation_milliseconds' or 'peak_memory_bytes', got 5"
    )


def test_a_stored_spec_outlives_a_cost_metric_that_bounded_nothing() -> None:
    with COSTS.including(STATE_BYTES):
        stored = small_spec().model_dump(mode="json")
        bounded = small_spec(constraints={"state_bytes": 4096}).model_dump(mode="json")
    assert stored["constraints"]["state_bytes"] is None
    assert StudySpec.model_validate(stored) == small_spec()
    with pytest.raises(ValidationError, match="state_bytes"):
        StudySpec.model_validate(bounded)
