"""Allotting: how many trials of a study's budget each branch has now.  Pure, but for `reallot`.

    bandit (default)     moved to branches that may still win (`metaopt.search.allocation`)
    even                 the same for all
    branches[].share     in proportion to these, whatever `search.allocation` says

Nothing of it is stored: asks, scores and ends decide, so a restart gives the same again.  With
`search.currency: device_seconds` so do the seconds that trials took, as their rows have them.

Branches are compared at the last rung at which each of them has a few scores: on the same tasks
after as many meta-iterations.  What a trial scored there counts though it goes on; one that ended
below, or waits there, tried in vain.

The curves of the branches follow the trials that have moved since the last time, so that a report
costs no more in a long search; they are made anew where branches come to be compared elsewhere.
"""

from collections.abc import Iterable, Sequence

from metaopt.estimation.statistics import summarize
from metaopt.search.allocation import Claim, allot
from metaopt.search.curve import LossCurve
from metaopt.search.shares import share_out
from service.db.roles import TrialRole
from service.db.states import TrialStatus
from service.dispatcher.open_trials import GOING_ON
from service.dispatcher.state import POINTS, BranchState, StudyState, TrialState
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
    branches, moved = list(study.branches.values()), study.moved_since
    study.moved_since = set()
    if study.plan.moves_budget:
        budgets = allot(study.spec.points(), _claims(study, moved))
    else:
        budgets = weighted(study.spec, [asked_by(branch) for branch in branches])
    for branch, budget in zip(branches, budgets, strict=True):
        branch.budget = budget


def _claims(study: StudyState, moved: Iterable[int]) -> list[Claim]:
    rung = _common_rung(study)
    if rung != study.compared_at:
        study.compared_at, moved = rung, study.trials
        for branch in study.branches.values():
            branch.curve = LossCurve()
    for number in moved if rung is not None else ():
        _follow(study, study.trials[number])
    costs = _costs(study)
    floors = _floors(study, costs)
    return [
        _claim(study, branch, floors[branch.position], costs[branch.position] if costs else None)
        for branch in study.branches.values()
    ]


def _costs(study: StudyState) -> list[float]:
    """What a trial of each branch takes of devices, on the mean of those in the curves.

    [] where trials are counted: by the spec, or as long as that is not known of each branch.
    """
    if study.spec.search.currency == "trials":
        return []
    curves = [branch.curve for branch in study.branches.values()]
    if any(curve.cost <= 0 for curve in curves):
        return []
    return [curve.cost / len(curve) for curve in curves]


def _floors(study: StudyState, costs: Sequence[float]) -> Sequence[int]:
    """The trials that each branch gets in any case: as many, or of as many seconds together.

    None has fewer than its start-up trials, without which nothing can be compared.
    """
    floors, startups = study.plan.floors, study.plan.startups
    if not costs:
        return floors
    least = [min(pair) for pair in zip(floors, startups, strict=True)]
    return share_out(sum(floors), [1 / cost for cost in costs], least=least)


def _follow(study: StudyState, trial: TrialState) -> None:
    """Have a trial that moved in its branch's curve, if it is over or has a loss to compare."""
    if not trial.role.told_to_sampler:
        return
    branch, number = study.branches[trial.group.branch], trial.trial_number
    ask = (number - branch.position) // len(study.branches)
    loss = study.rung_losses.get((trial.group.branch, study.compared_at or 0), {}).get(number)
    if trial.status == TrialStatus.DIVERGED:
        loss = None
    # Also one that is let go on by force counts as over: that it is depends on the budgets.
    if loss is not None or study.open.kind(number) in (None, "waiting"):
        branch.curve.put(ask, loss, trial.device_seconds)
    else:
        branch.curve.drop(ask)


def _claim(study: StudyState, branch: BranchState, floor: int, cost: float | None) -> Claim:
    name = branch.branch.name
    return Claim(
        asked=asked_by(branch),
        ended=study.points_of[name] - study.open.count(GOING_ON, roles=POINTS, branch=name),
        curve=branch.curve,
        error=_error(study, name),
        floor=floor,
        startup=study.plan.startups[branch.position],
        limit=branch.limit,
        closed=branch.spent,
        cost=cost,
    )


def _common_rung(study: StudyState) -> int | None:
    rungs, living = study.plan[TrialRole.SEARCH].rungs, study.living
    scoring = [name for name in study.branches if any(living[name, rung] for rung in rungs)]
    for rung in reversed(rungs):
        if scoring and all(living[name, rung] >= ENOUGH for name in scoring):
            return rung
    return None


def _error(study: StudyState, branch: str) -> float:
    rung = study.compared_at
    leader = study.leaders.get((branch, rung)) if rung is not None else None
    statistic = study.spec.evaluation.statistic
    return summarize(leader.losses, statistic).stderr if leader and leader.losses else 0.0
