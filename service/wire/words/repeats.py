"""Branches that have fewer configurations than trials, in words."""

from collections.abc import Iterator, Mapping

from metaopt.search.samplers.registry import SAMPLERS
from metaopt.search.space import size
from service.wire.spec.samplers import dimensions
from service.wire.spec.space import Branch
from service.wire.spec.study import StudySpec


def repeats(spec: StudySpec, trials: Mapping[str, int]) -> list[str]:
    """A warning for each branch whose trials cannot all differ, with the way out.

    Args:
        trials: Of each branch: what it has had, or what it will have.
    """
    return [
        sentence
        for branch in spec.branches
        for sentence in _repeats(spec, branch, trials[branch.algorithm])
    ]


def _repeats(spec: StudySpec, branch: Branch, trials: int) -> Iterator[str]:
    name = branch.algorithm
    configurations = size(dimensions(branch))
    limit = SAMPLERS.get(spec.search.sampler).limit(spec.problem(branch))
    if limit is not None and limit < trials:
        points = "one point" if limit == 1 else f"{limit} points"
        yield f"the grid of branch {name} has {points} for {trials} trials: each is trained once"
    elif limit is None and configurations == 1 < trials:
        yield (
            f"branch {name} has nothing to search: its {trials} trials train one configuration "
            f"with {trials} seeds; name parameters in its space, or leave space out to search the "
            "documented ranges"
        )
    elif limit is None and configurations < trials:
        yield (
            f"branch {name} has {configurations:.0f} different configurations: its {trials} trials "
            "repeat them with other seeds; sampler grid trains each once"
        )
