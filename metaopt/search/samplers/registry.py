"""Samplers: who suggests the next point.

    random   uniform
    grid     every combination once                         `grid`
    qmc      a scrambled Sobol sequence                      `qmc`
    tpe      Parzen estimators of good and bad trials        `optuna_study`
    gp       a Gaussian process after a qmc start            `gp`
    cma-es   an evolution strategy, on numbers only          `cma_es`
    auto     qmc, then gp or tpe                             `auto`

A suggestion is a function of (study seed, branch, ask index) and of the asks and tells before it;
nothing is pickled, and whoever has the log has the sampler.
"""

from collections.abc import Callable, Mapping
from typing import Protocol

from optuna.samplers import BaseSampler, RandomSampler, TPESampler

from metaopt.errors import InvalidSearch
from metaopt.goals import Goals
from metaopt.keys import key
from metaopt.search.samplers.auto import Auto
from metaopt.search.samplers.cma_es import CmaEs
from metaopt.search.samplers.gp import Gp
from metaopt.search.samplers.grid import Grid
from metaopt.search.samplers.history import End, Params
from metaopt.search.samplers.optuna_study import OptunaStudy
from metaopt.search.samplers.qmc import Qmc
from metaopt.search.space import Dimension

SAMPLERS = ("random", "grid", "qmc", "tpe", "gp", "cma-es", "auto")
WITH_SEVERAL = ("random", "grid", "qmc", "tpe", "auto")  # these can search for several objectives


class Sampler(Protocol):
    """Suggests points of one branch; asks are counted from 0.

    `suggest` is followed by `asked` with what it returned; a replay calls `asked` alone, with what
    the log says.  `limit` is how many asks there can be, if not any number.
    """

    limit: int | None

    def suggest(self, index: int) -> Params:
        """Return a point for ask `index`."""
        ...

    def slow_asks(self, index: int, count: int) -> int:
        """Return how many of the `count` asks from `index` on would keep the caller waiting."""
        ...

    def asked(self, index: int, params: Params) -> None:
        """Count the trial as running."""
        ...

    def told(self, index: int, end: End) -> None:
        """Learn how the trial ended."""
        ...


def make_sampler(
    name: str,
    space: Mapping[str, Dimension],
    *,
    goals: Goals,
    seed_parts: tuple[int, str],
    startup_trials: int,
    grid_points: int,
) -> Sampler:
    """Return a sampler without trials.

    Args:
        name: One of `SAMPLERS`.
        space: What is searched, by name; the order of the names matters.
        goals: What is searched for; several objectives need one of `WITH_SEVERAL`.
        seed_parts: Study seed and branch.
        startup_trials: Trials that must have ended before tpe, gp and auto begin to model.
        grid_points: Values of a range of real numbers in a grid.

    Raises:
        InvalidSearch: no such sampler, or one that cannot search this space or for these goals.
    """
    if goals.several and name in SAMPLERS and name not in WITH_SEVERAL:
        raise InvalidSearch(
            f"sampler {name} searches for one objective, got {', '.join(goals.objectives)}: take "
            f"one of {', '.join(WITH_SEVERAL)}"
        )

    def seed(index: int) -> int:
        return key(*seed_parts, "ask", index) % 2**32

    branch_seed = key(*seed_parts, name) % 2**32
    start = key(*seed_parts, "qmc") % 2**32

    def study(sampler: Callable[[int], BaseSampler]) -> OptunaStudy:
        return OptunaStudy(space, goals=goals, sampler=sampler)

    def tpe() -> OptunaStudy:
        return study(lambda index: _tpe(seed(index), startup_trials))

    def gp() -> Gp:
        return Gp(
            space,
            goals=goals,
            seed=seed,
            start=Qmc(space, start),
            startup_trials=startup_trials,
        )

    makers: dict[str, Callable[[], Sampler]] = {
        "random": lambda: study(lambda index: RandomSampler(seed=seed(index))),
        "grid": lambda: Grid(space, branch_seed, grid_points),
        "qmc": lambda: Qmc(space, start),
        "tpe": tpe,
        "gp": gp,
        "cma-es": lambda: CmaEs(space, goals=goals, seed=seed),
        "auto": lambda: Auto(
            space, start=Qmc(space, start), gp=gp(), tpe=tpe(), several=goals.several
        ),
    }
    if name not in makers:
        raise InvalidSearch(f"sampler must be one of {', '.join(SAMPLERS)}, got {name!r}")
    return makers[name]()


def _tpe(seed: int, startup_trials: int) -> TPESampler:
    # Models all parameters of a branch jointly and counts running trials as bad ones (constant
    # liar), so that trials asked for together do not crowd at one point.  Bergstra et al. (2011),
    # section 4; Watanabe (2023), arXiv:2304.11127 (multivariate).
    return TPESampler(
        seed=seed, n_startup_trials=startup_trials, multivariate=True, constant_liar=True
    )
