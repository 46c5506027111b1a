"""Warnings about branches with fewer configurations than trials."""

from typing import Any

import pytest

from service.wire.words.repeats import repeats
from tests.fakes.specs import small_spec

TWO = {"inner_optimizer": {"choices": ["sgd", "adam"]}}


def warnings(space: dict[str, Any] | None, trials: int, sampler: str = "random") -> list[str]:
    branch = {"algorithm": "reptile"} if space is None else {"algorithm": "reptile", "space": space}
    return repeats(small_spec(branches=[branch], search={"sampler": sampler}), {"reptile": trials})


@pytest.mark.parametrize("space", [{}, {"epsilon": 0.5}])
def test_one_configuration_with_many_seeds_is_said(space: dict[str, Any]) -> None:
    (warning,) = warnings(space, 12)
    assert warning.startswith(
        "branch reptile has nothing to search: its 12 trials train one configuration with 12 seeds"
    )
    assert "leave space out to search the documented ranges" in warning
    assert warnings(space, 1) == []


def test_few_configurations_are_counted() -> None:
    (warning,) = warnings(TWO, 24)
    assert warning.startswith("branch reptile has 2 different configurations: its 24 trials repeat")
    assert "sampler grid" in warning
    assert warnings(TWO, 2) == []
    steps = {**TWO, "inner_steps": {"low": 3, "high": 6}}
    assert "has 8 different" in warnings(steps, 9)[0] and warnings(steps, 8) == []


def test_a_range_has_no_end() -> None:
    assert warnings({"epsilon": "default"}, 10_000) == warnings(None, 10_000) == []


def test_a_grid_trains_each_once() -> None:
    assert warnings({}, 12, "grid") == [
        "the grid of branch reptile has one point for 12 trials: each is trained once"
    ]
    assert "has 5 points for 12 trials" in warnings({"epsilon": "default"}, 12, "grid")[0]
    assert warnings({"epsilon": "default"}, 5, "grid") == []


def test_each_branch_is_judged_by_its_own_trials() -> None:
    branches = [{"algorithm": "maml", "space": {}}, {"algorithm": "reptile", "space": {}}]
    found = repeats(small_spec(branches=branches), {"maml": 1, "reptile": 2})
    assert len(found) == 1 and found[0].startswith("branch reptile")
