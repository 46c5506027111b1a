"""TPE: densities of good and of bad trials; suggests where the good ones are the denser.

    trials that ended, the best first ──▶ good: the first γ(n)   ──▶ density l ┐ the candidate of
                                    └───▶ bad: the others, those ──▶ density g ┘ l with most l / g
                                          that run among them

γ(n) = min(⌈n / 10⌉, 25).  The best first is, in the order of what decides:

    keeps the constraints  completed        by loss
                           pruned, paused   by how far it came, then by its loss there
                           diverged
    breaks some            by how badly; one that diverged, worst

All parameters of a branch are modelled together (`density.parzen`), and a trial that runs counts as
a bad one, so that trials asked for together do not crowd at one point.  Of the bad ones the newest
1,000 are modelled: older ones weigh little, and an ask must not cost more as the search goes on.

With several objectives Optuna's sampler is asked, which knows dominated trials.

Reference:
    Bergstra et al. (2011), section 4; Watanabe (2023), arXiv:2304.11127 (multivariate).
"""

import bisect
import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from metaopt.goals import DIVERGED_VIOLATION, Goals
from metaopt.search.samplers.history import End, Params
from metaopt.search.samplers.kind import Problem, Sampler, SamplerKind
from metaopt.search.samplers.unit import uniform
from metaopt.search.space import Dimension

if TYPE_CHECKING:
    import numpy as np

    from metaopt.search.samplers.density.parzen import Parzen
    from metaopt.search.samplers.optuna.study import OptunaStudy

CANDIDATES = 24
MOST_GOOD = 25
MOST_BAD = 1_000

Rank = tuple[int, float, float, int]
"""Of a trial that ended: lower is better, and of equals the one that was asked for first."""


class Tpe:
    """Suggests by TPE, after random points.

    Args:
        space: What is searched.
        goals: The constraints.
        seed: Of ask i.
        startup_trials: Trials that must have ended before it models.
    """

    def __init__(
        self,
        space: Mapping[str, Dimension],
        *,
        goals: Goals,
        seed: Callable[[int], int],
        startup_trials: int,
    ) -> None:
        """Begin without trials."""
        import numpy as np

        from metaopt.search.samplers.density.parzen import Coordinates

        self._space = dict(space)
        self._goals = goals
        self._seed = seed
        self._startup_trials = max(1, startup_trials)
        self._coordinates = Coordinates(space)
        self._points = np.empty((64, len(space)))  # by ask index; grown by doubling
        self._counts = np.zeros(64, dtype=bool)  # all but those that say nothing
        self._asks = 0
        self._ranks: dict[int, Rank] = {}
        self._best_first: list[Rank] = []
        self._good: list[int] = []
        self._best: Parzen | None = None  # the density of these

    def suggest(self, index: int) -> Params:
        """The candidate where good trials are the denser, or a random point at the start."""
        if len(self._best_first) < self._startup_trials or not self._space:
            return uniform(self._space, self._seed(index))
        import numpy as np

        from metaopt.search.samplers.density.parzen import Parzen, best_of

        good, bad = self._split()
        if good != self._good:  # else the same as before: most trials are not among the best
            self._good, self._best = good, Parzen(self._coordinates, self._points[good])
        best, others = self._best, Parzen(self._coordinates, self._points[bad])
        assert best is not None
        candidates = best.sample(CANDIDATES, np.random.default_rng(self._seed(index)))
        return self._coordinates.point(candidates[best_of(candidates, best, others)])

    def begin(self, index: int, params: Params) -> None:
        """Count the trial as running, and so among the bad ones."""
        import numpy as np

        if self._asks == len(self._points):
            self._points = np.vstack([self._points, np.empty_like(self._points)])
            self._counts = np.concatenate([self._counts, np.zeros_like(self._counts)])
        self._points[index] = self._coordinates.of(params)
        self._counts[index] = True
        self._asks += 1

    def tell(self, index: int, end: End) -> None:
        """Rank the trial among those that ended; of one that was paused the latest end counts."""
        before = self._ranks.pop(index, None)
        if before is not None:
            del self._best_first[bisect.bisect_left(self._best_first, before)]
        self._counts[index] = end.informative
        if end.informative:
            self._ranks[index] = rank = rank_of(index, end, self._goals)
            bisect.insort(self._best_first, rank)

    def _split(self) -> "tuple[list[int], np.ndarray]":
        """The ask indices of the good trials and of the bad ones, the oldest first."""
        import numpy as np

        ended = len(self._best_first)
        good = sorted(rank[-1] for rank in self._best_first[: good_trials(ended)])
        first = max(0, self._asks - MOST_BAD - MOST_GOOD)
        bad = self._counts[first : self._asks].copy()
        bad[[index - first for index in good if index >= first]] = False
        return good, np.flatnonzero(bad)[-MOST_BAD:] + first


def good_trials(ended: int) -> int:
    """γ: how many of the trials that ended count as good."""
    return min(math.ceil(0.1 * ended), MOST_GOOD)


def rank_of(index: int, end: End, goals: Goals) -> Rank:
    """How good a trial was that ended in a way that says something."""
    diverged = end.outcome == "diverged"
    violation = goals.violation(end.metrics) if goals.bounds else 0.0
    if goals.bounds and diverged:
        violation = DIVERGED_VIOLATION
    if violation > 0:
        return 2, violation, 0.0, index
    if diverged:
        return 1, 0.0, math.inf, index
    assert end.loss is not None
    if end.outcome == "completed":
        return 0, 0.0, end.loss, index
    return 1, -float(end.meta_iteration or 0), end.loss, index


def make(problem: Problem) -> Sampler:
    """TPE of one objective; with several, Optuna's."""
    if problem.goals.several:
        return _several(problem)
    return Tpe(
        problem.space,
        goals=problem.goals,
        seed=problem.seed,
        startup_trials=problem.startup_trials,
    )


def _several(problem: Problem) -> "OptunaStudy":
    from optuna.samplers import TPESampler

    from metaopt.search.samplers.optuna.study import OptunaStudy

    def sampler(index: int) -> TPESampler:
        return TPESampler(
            seed=problem.seed(index),
            n_startup_trials=problem.startup_trials,
            multivariate=True,
            constant_liar=True,
        )

    return OptunaStudy(problem.space, goals=problem.goals, sampler=sampler)


KIND = SamplerKind("tpe", make, adaptive=True, options=("startup_trials",), several=True)
