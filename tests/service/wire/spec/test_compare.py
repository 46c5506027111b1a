"""What a spec may compare its finalists with."""

from typing import Any

import pytest

from metaopt.algorithms.registry import complete
from metaopt.presets import PRESETS, find_preset
from metaopt.tasks.kind import SHOTS, TaskKind
from metaopt.tasks.registry import TASKS
from service.errors import InvalidSpec
from service.wire.spec.compare import Configuration, names_of, reference, references
from service.wire.spec.refusals import parse_spec
from service.wire.spec.study import StudySpec
from tests.fakes.specs import SMALL

SPACE = {"inner_lr": {"low": 0.001, "high": 0.1}, "inner_steps": 3, "gradient_clamp": 5.0}


def spec(compare: Any, **changes: Any) -> StudySpec:
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


def test_a_list_names_what_is_trained_and_what_is_not() -> None:
    listed = ["default", "pretrain", "scratch", "support_mean", "ridge"]
    one = spec(listed)
    assert one.verdict.compared() == tuple(listed) and one.verdict.compare == listed
    found = references(listed, one.branches, "maml")
    assert found == {
        "default": reference("default", one.branches, "maml"),
        "pretrain": Configuration("pretrain", complete("pretrain", {})),
        "scratch": Configuration("scratch", complete("scratch", {})),
    }
    assert one.verdict.trainings() == (one.verdict.finalists + 3) * one.verdict.seeds
    assert [branch.name for branch in one.every_branch()] == ["maml", "pretrain", "scratch"]
    assert one.branch("scratch").algorithm == "scratch" and len(one.branches) == 1
    assert names_of("none") == () and names_of("scratch") == ("scratch",)
    assert parse_spec(one.model_dump(mode="json")) == one


def test_a_branch_of_the_study_trains_its_own_algorithm_with_what_it_fixes() -> None:
    space = {"inner_lr": {"low": 0.01, "high": 0.1}, "test_steps": 7}
    both = [{"algorithm": "maml", "space": {}}, {"algorithm": "scratch", "space": space}]
    one = spec(["scratch"], branches=both)
    found = reference("scratch", one.branches, "maml")
    assert found == Configuration("scratch", complete("scratch", {"test_steps": 7}))
    assert len(one.every_branch()) == 2
    named = [{"algorithm": "maml", "name": "scratch", "space": {}}]
    with pytest.raises(InvalidSpec, match="branch scratch of this study trains maml: give it"):
        spec(["scratch"], branches=named)


def test_tasks_that_do_not_number_their_classes_are_refused_by_name() -> None:
    rule = "pretrain trains on all classes of meta-training at once, and tasks ticks do not say"
    anonymous = TaskKind(
        name="ticks", doc="Classes without numbers.", options=SHOTS, metrics=("accuracy",),
        make=lambda *given: None, input_shape=(2,), outputs=3,
    )  # fmt: skip
    tasks = {"tasks": {"kind": "ticks"}, "branches": [{"algorithm": "protonet", "space": {}}]}
    TASKS.add(anonymous)
    try:
        with pytest.raises(InvalidSpec, match=rule) as refused:
            spec(["pretrain"], **tasks)
        assert "take one of scratch, ridge, class_frequencies, nearest_mean" in str(refused.value)
        with pytest.raises(InvalidSpec, match=f"branch pretrain: algorithm {rule}"):
            spec("none", **{**tasks, "branches": [{"algorithm": "pretrain", "space": {}}]})
    finally:
        TASKS.forget("ticks")


@pytest.mark.parametrize(
    ("compare", "rule"),
    [
        (
            "paper:maml-omniglot-5w1s",
            "is a recipe for omniglot tasks, and these are sinusoid: take one of "
            "paper:maml-sinusoid, code:reptile-sinusoid",
        ),
        ("code:reptile-sinusoid", "is a recipe of reptile, and this study has no such branch"),
        ("paper:x", f"must be default, none, a preset ({', '.join(PRESETS)}), a way without"),
        ("scrach", "got 'scrach', did you mean scratch"),
        (["none", "scratch"], "must be none, or a list without it"),
        (["scratch", "scratch"], "names scratch twice"),
        ([], "must be a name or a list of 1 to 20 names, got []"),
        (["scratch", 3], "must be a name or a list of 1 to 20 names"),
        (
            ["scratch", "nearest_mean"],
            "nearest_mean is for tasks of classes, and these ask for "
            "numbers: take one of pretrain, scratch, support_mean, ridge",
        ),
        (["pretrain_cosine"], "pretrain_cosine is for tasks of classes, and these ask for numbers"),
    ],
)
def test_what_does_not_fit_is_refused_with_a_way_out(compare: Any, rule: str) -> None:
    with pytest.raises(InvalidSpec) as refused:
        spec(compare)
    assert "verdict.compare" in str(refused.value) and rule in str(refused.value)


def test_what_a_preset_needs_counts_for_the_size_of_a_trial() -> None:
    large = {"kind": "mlp", "widths": [4096] * 5}
    small = [{"algorithm": "maml", "space": {"meta_batch": 1, "inner_steps": 10}}]
    spec("none", model=large, branches=small)
    with pytest.raises(InvalidSpec, match="GiB"):
        spec("paper:maml-sinusoid", model=large, branches=small)
