"""Quasi-random points: a scrambled Sobol sequence, evenly spread at every length."""

from collections.abc import Mapping

from metaopt.search.samplers.history import End, Params
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

    limit: int | None = None

    def __init__(self, space: Mapping[str, Dimension], seed: int) -> None:
        """Prepare the sequence."""
        from scipy.stats import qmc  # half a second that other samplers need not wait for

        self._space = dict(space)
        self._engine = qmc.Sobol(len(space), scramble=True, rng=seed) if space else None

    def suggest(self, index: int) -> Params:
        """Return point `index`."""
        if self._engine is None:
            return {}
        self._engine.reset()
        if index:
            self._engine.fast_forward(index)
        point = self._engine.random(1)[0]
        return {
            name: from_unit(dimension, float(u))
            for (name, dimension), u in zip(self._space.items(), point, strict=True)
        }

    def slow_asks(self, index: int, count: int) -> int:
        """Return 0: no ask takes long."""
        return 0

    def asked(self, index: int, params: Params) -> None:
        """Learn nothing."""

    def told(self, index: int, end: End) -> None:
        """Learn nothing."""
