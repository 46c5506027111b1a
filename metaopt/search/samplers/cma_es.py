"""CMA-ES: an evolution strategy that learns the scale and the direction of its steps.

    ask i     a point from the present normal distribution, drawn with the seed of ask i
    tell      the point joins the generation; a full generation moves the distribution

Generations are asynchronous: trials are asked for while others run, and the first `population`
that end make a generation.  A point of the generation before still counts, since its distribution
is almost the present one; an older one does not.  The strategy only ranks: a generation is ordered
at the largest rung that half of it reached, then those that were pruned before it by how far they
came, then those that diverged; before all that, those that keep the constraints are ahead of those
that do not (`Goals.violation`).
"""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import numpy as np

from metaopt.errors import InvalidSearch
from metaopt.goals import Goals
from metaopt.search.samplers.history import End, Params, common_rung
from metaopt.search.samplers.unit import from_unit, to_unit
from metaopt.search.space import Choice, Dimension, Float, Int

if TYPE_CHECKING:
    from cmaes import CMA

FIRST_STEP = 0.3  # of each range, from its middle: three of them span it (Hansen 2016, B.4)

Point = np.ndarray[tuple[int], np.dtype[np.float64]]


class CmaEs:
    """Suggests by CMA-ES; restarts with twice the population once it has converged.

    Args:
        space: At least two dimensions, none of them a choice.
        goals: Whether a higher score is better, and the constraints.
        seed: Of ask i.

    Raises:
        InvalidSearch: the space has choices or fewer than two dimensions.
    Reference:
        Hansen (2016), arXiv:1604.00772; Auger & Hansen (2005), "A Restart CMA Evolution Strategy
        With Increasing Population Size".
    """

    limit: int | None = None

    def __init__(
        self, space: Mapping[str, Dimension], *, goals: Goals, seed: Callable[[int], int]
    ) -> None:
        """Begin in the middle of the space."""
        self._space: dict[str, Float | Int] = {}
        for name, dimension in space.items():
            if isinstance(dimension, Choice):
                raise InvalidSearch(
                    f"cma-es searches numbers only, {name} has choices {list(dimension.choices)}: "
                    "fix it, or take tpe or gp"
                )
            self._space[name] = dimension
        if len(space) < 2:
            raise InvalidSearch(f"cma-es needs 2 searched parameters, got {len(space)}: take tpe")
        self._goals = goals
        self._seed = seed
        self._generation = 0
        self._running: dict[int, tuple[int, Point]] = {}
        self._members: list[tuple[Point, End]] = []
        self._strategy = self._begin(None)

    def suggest(self, index: int) -> Params:
        """Return a point of the present distribution."""
        self._strategy.reseed_rng(self._seed(index))
        point = self._strategy.ask()
        return {
            name: from_unit(dimension, float(u))
            for (name, dimension), u in zip(self._space.items(), point, strict=True)
        }

    def slow_asks(self, index: int, count: int) -> int:
        """Return 0: no ask takes long."""
        return 0

    def asked(self, index: int, params: Params) -> None:
        """Take a point into the present generation."""
        # Always computed from the values, as a log gives them: what was drawn differs in the
        # last bits, and a replay would not agree with the search it repeats.
        units = [to_unit(dimension, float(params[n])) for n, dimension in self._space.items()]
        self._running[index] = self._generation, np.array(units)

    def told(self, index: int, end: End) -> None:
        """Let a trial's end count, and move on once the generation is full.

        Of a trial that was paused the first end counts: generations are not judged again.
        """
        if index not in self._running:
            return
        generation, point = self._running.pop(index)
        if not end.speaks or generation < self._generation - 1:
            return
        self._members.append((point, end))
        if len(self._members) == self._strategy.population_size:
            ranks = generation_ranks([e for _, e in self._members], self._goals)
            told = zip(self._members, ranks, strict=True)
            self._strategy.tell([(point, float(rank)) for (point, _), rank in told])
            self._members.clear()
            self._generation += 1
            if self._strategy.should_stop():
                self._strategy = self._begin(2 * self._strategy.population_size)
                self._generation += 1  # points of the run before belong to another distribution

    def _begin(self, population: int | None) -> "CMA":
        from cmaes import CMA  # a second, for scipy.stats, that other samplers need not wait for

        size = len(self._space)
        bounds = np.array([[0.0, 1.0]] * size)
        middle = np.full(size, 0.5)
        return CMA(middle, FIRST_STEP, bounds=bounds, population_size=population, seed=0)


def generation_ranks(ends: list[End], goals: Goals) -> list[int]:
    """Return each trial's rank in its generation, 0 for the best; equal trials share one."""
    half = max(1, len(ends) // 2)
    rung = common_rung(ends, half)
    sign = -1.0 if goals.maximize else 1.0
    keys = [(goals.violation(end.metrics), *_rank_key(end, rung, sign)) for end in ends]
    order = sorted(keys)
    return [order.index(key) for key in keys]


def _rank_key(end: End, rung: int | None, sign: float) -> tuple[int, int, float]:
    if end.outcome == "diverged":
        return 2, 0, 0.0
    score = end.score_at(rung) if rung is not None else None
    if score is not None:
        return 0, 0, sign * score
    return 1, -(end.meta_iteration or 0), sign * (end.value or 0.0)
