"""Random search: uniform points, each with the seed of its ask."""

from typing import TYPE_CHECKING

from metaopt.search.samplers.kind import Problem, SamplerKind

if TYPE_CHECKING:
    from metaopt.search.samplers.optuna.study import OptunaStudy


def make(problem: Problem) -> "OptunaStudy":
    """Optuna's random sampler."""
    from optuna.samplers import RandomSampler

    from metaopt.search.samplers.optuna.study import OptunaStudy

    def sampler(index: int) -> RandomSampler:
        return RandomSampler(seed=problem.seed(index))

    return OptunaStudy(problem.space, goals=problem.goals, sampler=sampler)


KIND = SamplerKind("random", make, adaptive=False, several=True)
