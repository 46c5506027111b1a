"""Shares: how many trials of a study's budget each branch has before any result."""

import math

from metaopt.search.allocation import FEWEST
from metaopt.search.shares import share_out
from service.wire.spec.study import StudySpec


def first_budgets(spec: StudySpec) -> list[int]:
    """How many trials each branch has before any result."""
    return weighted(spec, [0] * len(spec.branches))


def floors(spec: StudySpec) -> list[int]:
    """How many trials each branch gets in any case."""
    warm = [trial.branch for trial in spec.warm_start.trials]
    return [
        max(warm.count(branch.name), math.ceil(spec.search.floor * first))
        for branch, first in zip(spec.branches, first_budgets(spec), strict=True)
    ]


def startup_of(spec: StudySpec, position: int) -> int:
    """How many trials of a branch end before it is compared, as far as these are sure."""
    return max(FEWEST, min(spec.search.startup_trials, floors(spec)[position]))


def moves(spec: StudySpec) -> bool:
    """Whether results may move trials between the branches."""
    firsts = first_budgets(spec)
    return spec.allocation() == "bandit" and all(
        first > startup_of(spec, position) for position, first in enumerate(firsts)
    )


def weighted(spec: StudySpec, asked: list[int]) -> list[int]:
    """The budget in proportion to the branches' shares; none gets less than it has asked for."""
    weights = [1.0 if branch.share is None else branch.share for branch in spec.branches]
    return share_out(spec.points(), weights, least=asked)
