"""TPE: densities of good and of bad trials; suggests where the good ones are the denser.

It models all parameters of a branch jointly and counts running trials as bad ones (constant liar),
so that trials asked for together do not crowd at one point.

Reference:
    Bergstra et al. (2011), section 4; Watanabe (2023), arXiv:2304.11127 (multivariate).
"""

from typing import TYPE_CHECKING

from metaopt.search.samplers.kind import Problem, SamplerKind

if TYPE_CHECKING:
    from metaopt.search.samplers.optuna.study import OptunaStudy


def make(problem: Problem) -> "OptunaStudy":
    """Optuna's TPE sampler."""
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
