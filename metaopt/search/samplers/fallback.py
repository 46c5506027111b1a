"""The fallback: random points for a branch whose sampler has failed.

A sampler is anybody's code on anybody's numbers: it may raise whatever it likes, or suggest what
lies outside the space.  A random point is a function of the seed of its ask alone: whoever draws it
again draws the same, whatever the sampler does that day.
"""

from collections.abc import Mapping
from typing import Any

from metaopt.errors import InvalidSearch
from metaopt.metaparams import Value
from metaopt.search.samplers.history import Params
from metaopt.search.samplers.kind import Problem
from metaopt.search.samplers.unit import uniform
from metaopt.search.space import Choice, Dimension, Float, contains


def random_point(problem: Problem, index: int) -> Params:
    """A uniform point of the space, the one of ask `index`."""
    return uniform(problem.space, problem.seed(index))


def within(space: Mapping[str, Dimension], suggested: Mapping[str, Any]) -> Params:
    """What a sampler suggested, as plain numbers and text.

    Raises:
        InvalidSearch: it has other names than the space, or a value outside its dimension.
    """
    if set(suggested) != set(space):
        names = ", ".join(map(str, suggested)) or "nothing"
        raise InvalidSearch(f"it suggests {names}, and the space has {', '.join(space) or 'none'}")
    return {name: _plain(name, space[name], suggested[name]) for name in suggested}


def _plain(name: str, dimension: Dimension, value: Any) -> Value:
    value = value.item() if hasattr(value, "item") else value  # a number of numpy
    if not contains(dimension, value):
        raise InvalidSearch(f"it suggests {name} = {value!r}, which is not in {dimension}")
    if isinstance(dimension, Choice):
        return dimension.choices[dimension.choices.index(value)]
    return float(value) if isinstance(dimension, Float) else int(value)
