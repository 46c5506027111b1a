"""The space of a branch, as samplers see it."""

from metaopt.search.space import Choice, Float, Int
from service.planning.search_space import dimensions
from tests.fakes.specs import small_spec


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
