"""Allotting: how many trials of a study's budget each branch has now.  Pure, but for `reallot`.

    bandit (default)     moved to branches that may still win (`metaopt.search.allocation`)
    even                 the same for all
    branches[].share     in proportion to these, whatever `search.allocation` says

Nothing of it is stored: asks, scores and ends decide, so a restart gives the same again.

Branches are compared at the last rung at which each of them has a few scores: on the same tasks
after as many meta-iterations.  What a trial scored there counts though it goes on; one that ended
below, or waits there, tried in vain.
"""

from itertools import islice

from metaopt.estimation.statistics import summarize
from metaopt.search.allocation import Claim, allot
from service.db.roles import TrialRole
from service.db.states import TrialStatus
from service.dispatcher.state import BranchState, StudyState, TrialState
from service.planning.branch_shares import weighted

ENOUGH = 3  # scores of each branch at a rung where they are compared


def trial_number(branch: BranchState, ask_index: int, branches: int) -> int:
    """The number of a branch's trial.

    Trials of one branch are `branches` apart, so that numbers are unique however many each has.
    """
    return ask_index * branches + branch.position


def asked_by(branch: BranchState) -> int:
    """How many trials a branch has asked for, also those still looked for."""
    return branch.search.asks + (len(branch.looking.sequences) if branch.looking else 0)


def reallot(study: StudyState) -> None:
    """Give each branch the budget that it has by now."""
    branches = list(study.branches.values())
    if study.plan.moves_budget:
        budgets = allot(study.spec.points(), _claims(study))
    else:
        budgets = weighted(study.spec, [asked_by(branch) for branch in branches])
    for branch, budget in zip(branches, budgets, strict=True):
        branch.budget = budget


def _claims(study: StudyState) -> list[Claim]:
    rung = _common_rung(study)
    return [
        _claim(study, branch, floor, rung)
        for branch, floor in zip(study.branches.values(), study.plan.floors, strict=True)
    ]


def _claim(study: StudyState, branch: BranchState, floor: int, rung: int | None) -> Claim:
    # Also one that is let go on by force counts as over: that it is depends on the budgets.
    over = {n for n in _numbers(study, branch) if study.open.kind(n) in (None, "waiting")}
    at_rung = _losses(study, branch.branch.algorithm, rung)
    losses = [at_rung.get(n) for n in _numbers(study, branch) if n in over or n in at_rung]
    return Claim(
        asked=asked_by(branch),
        ended=len(over),
        losses=losses if rung is not None else [],
        error=_error(study, branch.branch.algorithm, rung),
        floor=floor,
        startup=study.plan.startups[branch.position],
        limit=branch.search.limit,
    )


def _numbers(study: StudyState, branch: BranchState) -> list[int]:
    many = len(study.branches)
    numbers = (trial_number(branch, index, many) for index in range(branch.search.asks))
    return [number for number in numbers if number in study.trials]


def _common_rung(study: StudyState) -> int | None:
    rungs = study.plan[TrialRole.SEARCH].rungs
    scoring = [name for name in study.branches if any(_has(study, name, r, 1) for r in rungs)]
    for rung in reversed(rungs):
        if scoring and all(_has(study, name, rung, ENOUGH) for name in scoring):
            return rung
    return None


def _has(study: StudyState, branch: str, rung: int, count: int) -> bool:
    """Whether so many trials of a branch that live have a loss at a rung."""
    scored = (n for n in study.rung_losses.get((branch, rung), ()) if _lives(study.trials.get(n)))
    return len(list(islice(scored, count))) == count


def _losses(study: StudyState, branch: str, rung: int | None) -> dict[int, float]:
    """Losses of trials at a rung, by trial number; those that died later have none."""
    losses = study.rung_losses.get((branch, rung), {}) if rung is not None else {}
    return {n: loss for n, loss in losses.items() if _lives(study.trials.get(n))}


def _lives(trial: TrialState | None) -> bool:
    return trial is not None and trial.status != TrialStatus.DIVERGED


def _error(study: StudyState, branch: str, rung: int | None) -> float:
    leader = study.leaders.get((branch, rung)) if rung is not None else None
    statistic = study.spec.evaluation.statistic
    return summarize(leader.losses, statistic).stderr if leader and leader.losses else 0.0
