"""Samplers: who suggests the next point.

    random   uniform
    grid     every combination once
    qmc      a scrambled Sobol sequence
    tpe      Parzen estimators of good and bad trials
    gp       a Gaussian process after a qmc start
    cma-es   an evolution strategy, on numbers only
    auto     qmc, then gp or tpe

Each is a record in a file of its own (`kind.SamplerKind`), and nobody else asks for its name.
"""

from collections.abc import Sequence

from metaopt.errors import InvalidSearch
from metaopt.plugins import Registry
from metaopt.search.samplers.kind import Problem, Sampler, SamplerKind

SAMPLERS: Registry[SamplerKind] = Registry("sampler", "metaopt.search.samplers", InvalidSearch)


def make_sampler(name: str, problem: Problem) -> Sampler:
    """A sampler without trials.

    Raises:
        InvalidSearch: no such sampler, or one that cannot search this space or for these goals.
    """
    kind = SAMPLERS.get(name)
    refusal = objectives_refusal(kind, problem.goals.objectives) or kind.check(problem)
    if refusal:
        raise InvalidSearch(refusal)
    return kind.make(problem)


def objectives_refusal(kind: SamplerKind, objectives: Sequence[str]) -> str | None:
    """Why the sampler cannot search for these objectives, with the ways out; None if it can."""
    if len(objectives) == 1 or kind.several:
        return None
    *names, last = (other.name for other in SAMPLERS.kinds() if other.several)
    return (
        f"sampler {kind.name} searches for one objective, got {', '.join(objectives)}: take "
        f"sampler {', '.join(names)} or {last}, or make one a constraint"
    )
