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

from bisect import bisect_left
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from metaopt.goals import Goals
from metaopt.search.samplers.history import End, Params, common_rung
from metaopt.search.samplers.kind import Problem, SamplerKind
from metaopt.search.samplers.unit import from_unit, to_unit
from metaopt.search.space import Choice, Dimension, Float, Int

if TYPE_CHECKING:
    import numpy as np
    from cmaes import CMA

    Point = np.ndarray[tuple[int], np.dtype[np.float64]]

FIRST_STEP = 0.3  # of each range, from its middle: three of them span it (Hansen 2016, B.4)


class CmaEs:
    """Suggests by CMA-ES; restarts with twice the population once it has converged.

    Args:
        space: At least two dimensions, none of them a choice (`check`).
        goals: The constraints.
        seed: Of ask i.

    Reference:
        Hansen (2016), arXiv:1604.00772; Auger & Hansen (2005), "A Restart CMA Evolution Strategy
        With Increasing Population Size".
    """

    def __init__(
        self, space: Mapping[str, Dimension], *, goals: Goals, seed: Callable[[int], int]
    ) -> None:
        """Begin in the middle of the space."""
        self._space: dict[str, Float | Int] = {
            name: dimension
            for name, dimension in space.items()
            if not isinstance(dimension, Choice)
        }
        self._goals = goals
        self._seed = seed
        self._generation = 0
        self._running: dict[int, tuple[int, Point]] = {}
        self._members: list[tuple[Point, End]] = []
        self._strategy = self._begin(None)

    def suggest(self, index: int) -> Params:
        """A point of the present distribution."""
        self._strategy.reseed_rng(self._seed(index))
        point = self._strategy.ask()
        return {
            name: from_unit(dimension, float(u))
            for (name, dimension), u in zip(self._space.items(), point, strict=True)
        }

    def begin(self, index: int, params: Params) -> None:
        """Take a point into the present generation."""
        import numpy as np

        # Always computed from the values, as a log gives them: what was drawn differs in the
        # last bits, and a replay would not agree with the search it repeats.
        units = [to_unit(dimension, float(params[n])) for n, dimension in self._space.items()]
        self._running[index] = self._generation, np.array(units)

    def tell(self, index: int, end: End) -> None:
        """Let a trial's end count, and move on once the generation is full.

        Of a trial that was paused the first end counts: generations are not judged again.
        """
        if index not in self._running:
            return
        generation, point = self._running.pop(index)
        if not end.informative or generation < self._generation - 1:
            return
        self._members.append((point, end))
        if len(self._members) == self._strategy.population_size:
            ranks = generation_ranks([e for _, e in self._members], self._goals)
            ranked = zip(self._members, ranks, strict=True)
            self._strategy.tell([(point, float(rank)) for (point, _), rank in ranked])
            self._members.clear()
            self._generation += 1
            if self._strategy.should_stop():
                self._strategy = self._begin(2 * self._strategy.population_size)
                self._generation += 1  # points of the run before belong to another distribution

    def _begin(self, population: int | None) -> "CMA":
        import numpy as np
        from cmaes import CMA  # a second, for scipy.stats, that other samplers need not wait for

        size = len(self._space)
        bounds = np.array([[0.0, 1.0]] * size)
        middle = np.full(size, 0.5)
        return CMA(middle, FIRST_STEP, bounds=bounds, population_size=population, seed=0)


def generation_ranks(ends: list[End], goals: Goals) -> list[int]:
    """Each trial's rank in its generation, 0 for the best; equal trials share one."""
    half = max(1, len(ends) // 2)
    rung = common_rung(ends, half)
    keys = [(goals.violation(end.metrics), *_rank_key(end, rung)) for end in ends]
    order = sorted(keys)
    return [bisect_left(order, key) for key in keys]


def _rank_key(end: End, rung: int | None) -> tuple[int, int, float]:
    if end.outcome == "diverged":
        return 2, 0, 0.0
    loss = end.loss_at(rung) if rung is not None else None
    if loss is not None:
        return 0, 0, loss
    return 1, -(end.meta_iteration or 0), end.loss or 0.0


def check(problem: Problem) -> str | None:
    """Refuse choices, which have no order, and a single parameter, which has no direction."""
    choices = [name for name, d in problem.space.items() if isinstance(d, Choice)]
    if choices:
        return (
            f"sampler cma-es searches ranges of numbers only, {choices[0]} (branch "
            f"{problem.branch}) has choices: give it one value or a range, or take sampler tpe, gp "
            "or auto"
        )
    if len(problem.space) < 2:
        return (
            f"sampler cma-es needs at least 2 searched parameters, branch {problem.branch} has "
            f"{len(problem.space)}: search another one, or take sampler tpe, gp or auto"
        )
    return None


def make(problem: Problem) -> CmaEs:
    """The strategy at the middle of the space."""
    return CmaEs(problem.space, goals=problem.goals, seed=problem.seed)


KIND = SamplerKind("cma-es", make, adaptive=True, check=check)
