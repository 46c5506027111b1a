"""The search of a branch, as its spec describes it and its log left it."""

from collections.abc import Iterable

from metaopt.search.branches import BranchSearch, LogEntry, replay
from service.wire.spec.samplers import dimensions
from service.wire.spec.space import Branch
from service.wire.spec.study import StudySpec


def branch_search(spec: StudySpec, branch: Branch, log: Iterable[LogEntry]) -> BranchSearch:
    """The search of a branch as its log left it.

    Raises:
        InvalidSearch: the log does not fit the spec.
    """
    return replay(
        dimensions(branch),
        log,
        sampler=spec.search.sampler,
        study_seed=spec.seed,
        branch=branch.name,
        startup_trials=spec.search.startup_trials,
        grid_points=spec.search.grid_points,
        goals=spec.goals(),
    )
