"""Quasi-random points: a scrambled Sobol sequence, evenly spread at every length."""

from collections.abc import Mapping

from metaopt.search.samplers.history import End, Params
from metaopt.search.samplers.kind import Problem, SamplerKind
from metaopt.search.samplers.unit import from_unit
from metaopt.search.space import Dimension


class Qmc:
    """Suggests point i of the sequence at ask i; keeps nothing, learns nothing.

    Args:
        space: What is searched.
        seed: Of the scrambling, one for the whole branch.

    Reference:
        Bergstra & Bengio (2012), "Random Search for Hyper-Parameter Optimization", section 5.
    """

    def __init__(self, space: Mapping[str, Dimension], seed: int) -> None:
        """Prepare the sequence."""
        from scipy.stats import qmc  # half a second that other samplers need not wait for

        self._space = dict(space)
        self._engine = qmc.Sobol(len(space), scramble=True, rng=seed) if space else None

    def suggest(self, index: int) -> Params:
        """Point `index`."""
        if self._engine is None:
            return {}
        if index < self._engine.num_generated:
            self._engine.reset()
        if index > self._engine.num_generated:  # each point is a step from the one before
            self._engine.fast_forward(index - self._engine.num_generated)
        point = self._engine.random(1)[0]
        return {
            name: from_unit(dimension, float(u))
            for (name, dimension), u in zip(self._space.items(), point, strict=True)
        }

    def begin(self, index: int, params: Params) -> None:
        """Keep nothing: a point depends on its index alone."""

    def tell(self, index: int, end: End) -> None:
        """Keep nothing: results change no point."""


def make(problem: Problem) -> Qmc:
    """The sequence that is scrambled by the branch's seed."""
    return Qmc(problem.space, problem.seed_of("qmc"))


KIND = SamplerKind("qmc", make, adaptive=False, several=True)
