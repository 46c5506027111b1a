"""Samplers and spaces that do not fit."""

import subprocess
import sys
from typing import Any

import pytest
from pydantic import ValidationError

from metaopt.search.samplers.registry import SAMPLERS
from metaopt.search.space import Choice, Float, Int
from service.errors import InvalidSpec
from service.wire.spec.pruning import Pruning
from service.wire.spec.refusals import parse_spec
from service.wire.spec.samplers import dimensions
from service.wire.spec.study import Search, StudySpec
from tests.fakes.specs import SMALL, small_spec
from tests.fakes.toy_sampler import TOY

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


@pytest.mark.parametrize("name", ["nsga", 5, None, ["tpe"]])
def test_an_unknown_sampler_is_refused_with_those_there_are(name: Any) -> None:
    with pytest.raises(InvalidSpec, match="search.sampler: must be 'auto', 'cma-es',.* or 'tpe'"):
        parse_spec({**SMALL, "search": {"sampler": name}})


def test_a_sampler_of_somebody_else_is_named_and_checked_as_ours_are() -> None:
    with SAMPLERS.including(TOY):
        assert spec("toy", MAML).search.sampler == "toy"
        assert "toy" in Search.model_json_schema()["properties"]["sampler"]["enum"]
        with pytest.raises(
            ValidationError, match="sampler toy searches ranges only, order .branch"
        ):
            spec("toy", {"order": {"choices": ["first", "second"]}})
    with pytest.raises(ValidationError, match="should be 'auto'"):
        spec("toy", MAML)
    assert Search.model_json_schema()["properties"]["sampler"]["enum"] == list(SAMPLERS.names())


def test_naming_and_checking_samplers_loads_neither_torch_nor_optuna() -> None:
    code = (
        "import sys\n"
        "from service.wire.spec.study import StudySpec\n"
        "from tests.fakes.specs import SMALL\n"
        "from metaopt.search.samplers.registry import SAMPLERS\n"
        "for sampler in SAMPLERS.names():\n"
        "    branches = [{'algorithm': 'maml', 'space': {'inner_lr': 'default', 'outer_lr': "
        "'default'}}]\n"
        "    StudySpec.model_validate({**SMALL, 'branches': branches,"
        " 'search': {'sampler': sampler}})\n"
        "heavy = {'torch', 'optuna', 'numpy', 'scipy', 'cmaes'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], timeout=300, check=True)


def test_defaults_and_bounds() -> None:
    assert (Search().sampler, Search().grid_points) == ("auto", 5)
    assert Pruning(kind="hyperband").percentile == 25.0
    for percentile in (0.0, 100.0):
        with pytest.raises(ValidationError):
            Pruning(percentile=percentile)


def test_ranges_choices_and_whole_numbers_are_searched_as_such_and_fixed_values_not() -> None:
    space = {
        "inner_lr": {"low": 0.003, "high": 0.03, "log": True},
        "inner_steps": {"low": 1, "high": 5},
        "order": {"choices": ["first", "second"]},
        "meta_batch": 4,
    }
    (branch,) = small_spec(branches=[{"algorithm": "maml", "space": space}]).branches
    assert dimensions(branch) == {
        "inner_lr": Float(0.003, 0.03, log=True),
        "inner_steps": Int(1, 5, log=False),
        "order": Choice(("first", "second")),
    }
