"""Broken specs: each error names the field by path and the rule in words."""

from dataclasses import replace
from typing import Any

import pytest

from metaopt.search.pruning.registry import PRUNING_RULES
from metaopt.search.samplers.registry import SAMPLERS
from service.errors import InvalidSpec
from service.wire.parsing.plain_data import parse_yaml
from service.wire.spec.refusals import parse_spec
from service.wire.spec.study import StudySpec
from tests.fakes.specs import LEAST


def with_space(**space: Any) -> dict[str, Any]:
    return {**LEAST, "branches": [{"algorithm": "maml", "space": space}]}


@pytest.mark.parametrize(
    ("spec", "field", "words"),
    [
        (with_space(inner_lr=-1), "branches[0].space.inner_lr", "must be in"),
        (with_space(inner_lr={"low": 1, "high": 0}), "branches[0].space.inner_lr", "low must be"),
        (
            with_space(inner_lr={"low": 0.003, "high": 0.0030000000000000005, "log": True}),
            "branches[0].space.inner_lr",
            "inner_lr must span at least 3e-12 to be searched, got [0.003, 0.0030000000000000005]: "
            "widen the range, or fix the value, e.g. 0.003",
        ),
        (
            with_space(gradient_clamp={"low": 0, "high": 1.7e308}),
            "branches[0].space.gradient_clamp",
            "must be in [0, 1e+30], got 1.7e+308",
        ),
        (
            with_space(inner_lr={"low": "x", "high": 1}),
            "branches[0].space.inner_lr.low",
            "must be a valid number",
        ),
        (with_space(inner_lr={"low": 1}), "branches[0].space.inner_lr.high", "is required"),
        (
            with_space(inner_lr={"choices": [1]}),
            "branches[0].space.inner_lr.choices",
            "at least 2 items",
        ),
        (with_space(inner_lr=None), "branches[0].space.inner_lr", "must be a number, a choice"),
        (with_space(inner_lr=[1]), "branches[0].space.inner_lr", "must be a number, a choice"),
        (with_space(foo=1), "branches[0].space.foo", "maml has no parameter 'foo'; it has inner"),
        ({**LEAST, "extra": 1}, "extra", "is not a known field: it has schema_version, name, seed"),
        (
            {**LEAST, "tasks": {"kind": "x"}},
            "tasks.kind",
            "must be one of 'dataset', 'linear', 'navigation', 'omniglot', 'quadratic', 'sinusoid'",
        ),
        ({**LEAST, "tasks": {}}, "tasks.kind", "is required"),
        ({**LEAST, "tasks": 3}, "tasks", "must be an object, got 3"),
        (
            {**LEAST, "tasks": {"kind": "sinusoid", "x": [2, 1]}},
            "tasks.x",
            "low must be below high",
        ),
        ({**LEAST, "budget": {"trials": 0}}, "budget.trials", "greater than or equal to 1, got 0"),
        ({**LEAST, "budget": {"trials": 10**9}}, "budget.trials", "less than or equal to 10000"),
        (
            {**LEAST, "budget": {"trials": 10_001}},
            "budget.trials",
            "must be less than or equal to 10000, got 10001: submit another study whose warm_start",
        ),
        (
            with_space(inner_lr={"choices": [0.001 * n for n in range(1, 258)]}),
            "branches[0].space.inner_lr.choices",
            "must have at most 256 items, got 257",
        ),
        (
            with_space(**{f"p{n}": 1 for n in range(65)}),
            "branches[0].space",
            "must have at most 64 items",
        ),
        (
            with_space(**{"p" * 65: 1}),
            f"branches[0].space.'{'p' * 58}…",
            "at most 64 characters",
        ),
        ({**LEAST, "name": "n" * 201}, "name", "must have at most 200 characters"),
        (
            {
                **with_space(
                    inner_lr={"low": 0.001, "high": 0.1},
                    outer_lr={"low": 0.001, "high": 0.1},
                    meta_batch={"low": 1, "high": 64},
                    inner_steps={"low": 1, "high": 20},
                ),
                "search": {"sampler": "grid", "grid_points": 100},
            },
            "spec",
            "has 12800000 points, 100 (inner_lr) x 100 (outer_lr) x 64 (meta_batch) x "
            "20 (inner_steps); the most is 1000000: lower search.grid_points",
        ),
        (
            with_space(order={"choices": ["first"]}),
            "branches[0].space.order.choices",
            "must have at least 2 items, got 1",
        ),
        (
            {**LEAST, "tasks": {"knd": "sinusoid"}},
            "tasks.kind",
            "is required: 'knd' is not a known field, did you mean kind?",
        ),
        (
            {**LEAST, "tasks": {"<<": {"kind": "sinusoid"}}},
            "tasks.kind",
            "is required: a merge key (<<) is one in YAML only, and without quotes",
        ),
        ({**LEAST, "pruning": {"rungs": [5000]}}, "spec", "the last rung must be below budget"),
        ({**LEAST, "budget": {"wall_seconds": 0}}, "budget.wall_seconds", "greater than 0, got 0"),
        (
            {**LEAST, "warm_start": {"trials": [{"branch": "reptile", "params": {}}]}},
            "spec",
            "warm_start.trials[0].branch must be one of maml, got 'reptile'",
        ),
        (
            {
                **with_space(inner_lr={"low": 0.1, "high": 1}),
                "warm_start": {"trials": [{"branch": "maml", "params": {"inner_lr": 2.0}}]},
            },
            "spec",
            "warm_start.trials[0].params.inner_lr must be in [0.1, 1], got 2.0",
        ),
        (
            {
                **with_space(inner_steps={"low": 1, "high": 5}),
                "warm_start": {"trials": [{"branch": "maml", "params": {"inner_steps": 2.5}}]},
            },
            "spec",
            "warm_start.trials[0].params.inner_steps must be in [1, 5], got 2.5",
        ),
        (
            {
                **with_space(inner_lr={"low": 0.1, "high": 1}),
                "warm_start": {"trials": [{"branch": "maml", "params": {"outer_lr": 1e-3}}]},
            },
            "spec",
            "a value for each searched parameter of maml (inner_lr), got outer_lr",
        ),
        ({**LEAST, "name": ""}, "name", "must not be empty: take anything that can be seen"),
        ({**LEAST, "branches": []}, "branches", "at least 1 item"),
        ([], "spec", "must be an object"),
        (None, "spec", "must be an object"),
    ],
)
def test_a_broken_rule_is_named_by_field_and_in_words(spec: Any, field: str, words: str) -> None:
    with pytest.raises(InvalidSpec) as caught:
        parse_spec(spec)
    messages = dict(caught.value.errors)
    assert words in messages[field]
    assert "Input" not in str(caught.value)


@pytest.mark.parametrize(
    ("spec", "field", "words"),
    [
        ({**LEAST, "budgt": {}}, "budgt", "is not a known field, did you mean budget? it has sch"),
        (
            {**LEAST, "budget": {"trails": 3}},
            "budget.trails",
            "is not a known field, did you mean trials? budget has trials, meta_iterations",
        ),
        ({**LEAST, "n\u200bame": 1}, "'n\\u200bame'", "did you mean name?"),
        (
            {**LEAST, "tasks": {"kind": "sinusoid", "kShot": 3}},
            "tasks.kShot",
            "did you mean k_shot? tasks has kind, k_shot, q_query, amplitude, phase, x",
        ),
        ({**LEAST, "model": {"kind": "mlp", "width": 3}}, "model.width", "did you mean widths?"),
        (
            {**LEAST, "branches": [{"algorithm": "maml", "spaces": {}}]},
            "branches[0].spaces",
            "did you mean space? branches[0] has algorithm, name, model, space, share",
        ),
        (
            with_space(inner_lr={"low": 0.1, "hihg": 1}),
            "branches[0].space.inner_lr.hihg",
            "did you mean high? branches[0].space.inner_lr has low, high, log, choices",
        ),
        (with_space(innerlr=1), "branches[0].space.innerlr", "did you mean inner_lr?"),
        (with_space(order="frist"), "branches[0].space.order", "did you mean first?"),
        (
            {**LEAST, "constraints": {"peak_memory_byte": 1}},
            "constraints.peak_memory_byte",
            "did you mean peak_memory_bytes?",
        ),
        (
            {**LEAST, "warm_start": {"trials": [{"brnch": "maml", "params": {}}]}},
            "warm_start.trials[0].brnch",
            "did you mean branch? warm_start.trials[0] has branch, params, source",
        ),
        ({**LEAST, "tasks": {"kind": "sinusiod"}}, "tasks.kind", "did you mean sinusoid?"),
        ({**LEAST, "model": {"kind": "mpl"}}, "model.kind", "did you mean mlp?"),
        ({**LEAST, "search": {"sampler": "cmaes"}}, "search.sampler", "did you mean cma-es?"),
        ({**LEAST, "pruning": {"kind": "ahsa"}}, "pruning.kind", "did you mean asha?"),
        ({**LEAST, "branches": [{"algorithm": "mlam"}]}, "branches[0].algorithm", "mean maml?"),
        ({**LEAST, "objectives": ["scor"]}, "objectives[0]", "did you mean score?"),
        (
            {**LEAST, "verdict": {"compare": "paper:maml-sinusoids"}},
            "verdict.compare",
            "did you mean paper:maml-sinusoid?",
        ),
        ({**LEAST, "gates": {"rules": ["at-lest:3"]}}, "gates.rules[0]", "mean at-least?"),
        ({**LEAST, "evaluation": {"statistic": "meen"}}, "evaluation.statistic", "mean mean?"),
    ],
)
def test_what_was_meant_is_asked(spec: Any, field: str, words: str) -> None:
    with pytest.raises(InvalidSpec) as caught:
        parse_spec(spec)
    assert words in dict(caught.value.errors)[field]


def test_no_rule_is_told_as_a_regular_expression() -> None:
    broken = {
        **LEAST,
        "name": " ",
        "tasks": {"kind": "omniglot", "split": "vinyls"},
        "gates": {"baseline": "a b", "rules": ["no-worse:1"]},
        "evaluation": {"transductive": "yes"},
    }
    with pytest.raises(InvalidSpec) as caught:
        parse_spec(broken)
    said = dict(caught.value.errors)
    assert said["evaluation.transductive"] == "must be true or false, got 'yes'"
    assert said["tasks.split"].startswith("must be vinyals, or random: and a number")
    assert not [rule for rule in said.values() if "pattern" in rule or "^" in rule]


def test_a_spec_has_a_place_for_anchors() -> None:
    text = """
    x-shots: &shots {k_shot: 5, q_query: 5}
    name: x
    tasks: {<<: *shots, kind: sinusoid, q_query: 7}
    model: {kind: mlp}
    branches: [{algorithm: maml}]
    """
    tasks = parse_spec(parse_yaml(text.encode())).tasks
    assert (tasks.k_shot, tasks.q_query) == (5, 7)


def test_thousands_of_unknown_fields_are_refused_at_once() -> None:
    with pytest.raises(InvalidSpec, match="and 4999 more") as caught:
        parse_spec({**LEAST, **{f"x{i}": i for i in range(5000)}})
    assert len(caught.value.errors) == 20


def test_every_broken_field_is_listed() -> None:
    with pytest.raises(InvalidSpec) as caught:
        parse_spec({**LEAST, "name": "", "seed": -1, "extra": 1})
    assert {error.field for error in caught.value.errors} == {"name", "seed", "extra"}


def test_long_values_are_not_echoed_whole() -> None:
    with pytest.raises(InvalidSpec) as caught:
        parse_spec({**LEAST, "schema_version": "x" * 10_000, "y" * 10_000: 1})
    assert all(len(error.field) + len(error.message) < 300 for error in caught.value.errors)


def test_defaults_are_filled_in() -> None:
    budget = parse_spec(LEAST).model_dump()["budget"]
    assert {name: value for name, value in budget.items() if value is not None} == {
        "trials": 24,
        "meta_iterations": 1000,
    }


def test_a_narrow_range_that_was_stored_before_is_read_still() -> None:
    space = {"inner_lr": {"low": 0.1, "high": 0.10000000000000002}}
    assert StudySpec.model_validate(with_space(**space)).branches[0].distributions()


def test_a_kind_that_fails_to_look_at_a_spec_is_named_as_a_refusal() -> None:
    def check(problem: Any) -> str | None:
        raise TypeError("no")

    def rungs(meta_iterations: int, reduction: int) -> list[int]:
        raise KeyError("eta")

    broken = replace(SAMPLERS.get("random"), name="broken", check=check)
    with SAMPLERS.including(broken), pytest.raises(InvalidSpec, match=r"failed to look .*TypeErr"):
        parse_spec({**LEAST, "search": {"sampler": "broken"}})
    rule = replace(PRUNING_RULES.get("median"), name="broken", default_rungs=rungs)
    with PRUNING_RULES.including(rule), pytest.raises(InvalidSpec, match="KeyError: 'eta'"):
        parse_spec({**LEAST, "pruning": {"kind": "broken"}})
