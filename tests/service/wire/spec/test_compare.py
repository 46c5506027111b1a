"""What a spec may compare its finalists with."""

from typing import Any

import pytest

from metaopt.algorithms.registry import complete
from metaopt.presets import PRESETS, find_preset
from service.errors import InvalidSpec
from service.wire.spec.compare import reference
from service.wire.spec.refusals import parse_spec
from service.wire.spec.study import StudySpec
from tests.fakes.specs import SMALL

SPACE = {"inner_lr": {"low": 0.001, "high": 0.1}, "inner_steps": 3, "gradient_clamp": 5.0}


def spec(compare: str, **changes: Any) -> StudySpec:
    branches = [{"algorithm": "maml", "space": SPACE}]
    verdict = {"compare": compare, "tasks": 20}
    return parse_spec({**SMALL, "branches": branches, **changes, "verdict": verdict})


def test_a_preset_is_completed_with_what_the_spec_fixes() -> None:
    one = spec("paper:maml-sinusoid")
    found = reference(one.verdict.compare, one.branches, "maml")
    assert found is not None and found.branch == "maml"
    published = find_preset("paper:maml-sinusoid").values
    own = {name: value.value for name, value in published.items()}
    assert found.params == complete("maml", {**own, "gradient_clamp": 5.0})
    assert found.params["inner_steps"] == 1  # the recipe's, not what the spec fixes


def test_a_preset_is_of_its_own_branch_whichever_leads() -> None:
    both = [{"algorithm": "maml", "space": {}}, {"algorithm": "reptile", "space": {}}]
    one = spec("code:reptile-sinusoid", branches=both)
    found = reference(one.verdict.compare, one.branches, "maml")
    assert found is not None and found.branch == "reptile"
    assert found.params["test_steps"] == 32


def test_the_defaults_are_those_of_the_leading_branch_where_it_searches_something() -> None:
    one = spec("default")
    found = reference("default", one.branches, "maml")
    assert found is not None and found.params == one.branches[0].defaults()
    fixed = spec("default", branches=[{"algorithm": "maml", "space": {}}])
    assert reference("default", fixed.branches, "maml") is None
    assert reference("none", one.branches, "maml") is None


@pytest.mark.parametrize(
    ("compare", "rule"),
    [
        (
            "paper:maml-omniglot-5w1s",
            "is a recipe for omniglot tasks, and these are sinusoid: take one of "
            "paper:maml-sinusoid, code:reptile-sinusoid",
        ),
        ("code:reptile-sinusoid", "is a recipe of reptile, and this study has no such branch"),
        ("paper:x", f"must be default, none or a preset ({', '.join(PRESETS)}), got 'paper:x'"),
    ],
)
def test_what_does_not_fit_is_refused_with_a_way_out(compare: str, rule: str) -> None:
    with pytest.raises(InvalidSpec) as refused:
        spec(compare)
    assert "verdict.compare" in str(refused.value) and rule in str(refused.value)


def test_what_a_preset_needs_counts_for_the_size_of_a_trial() -> None:
    large = {"kind": "mlp", "widths": [4096] * 5}
    small = [{"algorithm": "maml", "space": {"meta_batch": 1, "inner_steps": 10}}]
    spec("none", model=large, branches=small)
    with pytest.raises(InvalidSpec, match="GiB"):
        spec("paper:maml-sinusoid", model=large, branches=small)
