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

from metaopt.errors import InvalidSearch, in_words
from metaopt.registry import Registry
from metaopt.search.samplers.kind import Problem, SamplerKind

SAMPLERS: Registry[SamplerKind] = Registry("sampler", "metaopt.search.samplers", InvalidSearch)


def check_searchable(name: str, problem: Problem) -> None:
    """Refuse a sampler that cannot search a space or for these goals.

    Raises:
        InvalidSearch: no such sampler, or it says that it cannot, and what can be done.
    """
    kind = SAMPLERS.get(name)
    refusal = objectives_refusal(kind, problem.goals.objectives) or space_refusal(kind, problem)
    if refusal:
        raise InvalidSearch(refusal)


def space_refusal(kind: SamplerKind, problem: Problem) -> str | None:
    """Why the sampler cannot search a space, with the ways out; None if it can."""
    try:
        return kind.check(problem)
    except Exception as error:  # a sampler may be anybody's
        return (
            f"sampler {kind.name} failed to look at the space of branch {problem.branch} "
            f"({in_words(error)}): take another sampler"
        )


def objectives_refusal(kind: SamplerKind, objectives: Sequence[str]) -> str | None:
    """Why the sampler cannot search for these objectives, with the ways out; None if it can."""
    if len(objectives) == 1 or kind.several:
        return None
    *names, last = (other.name for other in SAMPLERS.kinds() if other.several)
    return (
        f"sampler {kind.name} searches for one objective, got {', '.join(objectives)}: take "
        f"sampler {', '.join(names)} or {last}, or make one a constraint"
    )
