"""Random search: uniform points, each with the seed of its ask."""

from collections.abc import Callable, Mapping

from metaopt.search.samplers.history import End, Params
from metaopt.search.samplers.kind import Problem, SamplerKind
from metaopt.search.samplers.unit import uniform
from metaopt.search.space import Dimension


class Random:
    """Suggests points that are uniform over the space; keeps nothing, learns nothing.

    Args:
        space: What is searched.
        seed: Of ask i.
    """

    def __init__(self, space: Mapping[str, Dimension], seed: Callable[[int], int]) -> None:
        self._space, self._seed = dict(space), seed

    def suggest(self, index: int) -> Params:
        """A random point."""
        return uniform(self._space, self._seed(index))

    def begin(self, index: int, params: Params) -> None:
        """Keep nothing: a point depends on its index alone."""

    def tell(self, index: int, end: End) -> None:
        """Keep nothing: results change no point."""


def make(problem: Problem) -> Random:
    """Random points with the branch's seeds."""
    return Random(problem.space, problem.seed)


KIND = SamplerKind("random", make, adaptive=False, several=True)
