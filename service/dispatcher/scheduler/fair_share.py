"""Fair share: which branch may ask for trials now, and how many.  Pure functions.

Branches without a slot wait for their turn, and one that has a slot may be ahead of those by a
*stint*; when its lanes have ended, the slot goes to what waits longest, or to the branch that is
furthest behind its budget.  All have their start-up trials first, so that there is something to
compare before the rest is given out; a floor is due by the end of the search, not at its begin.

A stint lets the start-up trials of a branch train together; then stints double, up to a quarter of
the branch's budget: each turn ends with lanes that run dry, so there are to be few of them, and yet
a search that time ends long before its trials are used up has seen every branch.

The longest stint is also how many trials of a branch are open at once where results may move the
budget: what is asked for before it is known to pay cannot be given to another.
"""

import math
from fractions import Fraction

from metaopt.search.allocation import FEWEST
from metaopt.search.samplers.registry import SAMPLERS
from service.dispatcher.pruning import pauses
from service.dispatcher.scheduler.branch_budgets import asked_by
from service.dispatcher.state import POINTS, BranchState, StudyState


def askable(study: StudyState, branch: BranchState, *, idle: bool = False) -> int:
    """How many trials of `branch` may be asked for now.

    A sampler that learns gains nothing from trials asked for before it has learned: at most a
    quarter of the branch's budget is open at once, or its start-up trials, which are random.

    Args:
        idle: A slot would have nothing to do: then a budget that may move waits for no results.
    """
    if study.search_ended_by is not None:
        return 0
    search = study.spec.search
    if study.plan.moves_budget and not idle:
        most = stint(study, branch)
    elif not SAMPLERS.get(search.sampler).adaptive:
        return branch.remaining
    else:
        most = max(1, search.startup_trials, math.ceil(branch.budget / 4))
    open_now = pauses.count_going_on(study, POINTS, branch.branch.name)
    return max(0, min(branch.remaining, most - open_now))


def askable_in_turn(study: StudyState, branch: BranchState, *, idle: bool = False) -> int:
    """How many trials of `branch` may be asked for before another has its turn."""
    may = askable(study, branch, idle=idle)
    others = _others(study, branch)
    if not may or not others:
        return may
    abreast = _abreast(study, branch, min(progress(study, other) for other in others))
    turn = max(FEWEST, study.plan.startups[branch.position])
    if any(not _trains(study, other) for other in others):
        turn = min(stint(study, branch), max(turn, abreast))
    return max(0, min(may, abreast + turn - asked_by(branch)))


def neediest(study: StudyState, *, idle: bool = False) -> BranchState | None:
    """The branch furthest behind its budget of those that may ask; the first of equals."""
    left = [
        branch
        for branch in study.branches.values()
        if askable_in_turn(study, branch, idle=idle) > 0
    ]
    return min(left, key=lambda branch: (progress(study, branch), branch.position), default=None)


def progress(study: StudyState, branch: BranchState) -> Fraction:
    """How far a branch has come: 0 to 1 within its start-up, 1 to 2 in the rest."""
    asked, first = asked_by(branch), _first(study, branch)
    if asked < first:
        return Fraction(asked, first)
    return 1 + Fraction(asked - first, max(1, branch.budget - first))


def _abreast(study: StudyState, branch: BranchState, at: Fraction) -> int:
    """How many trials a branch has asked for when its progress is `at`."""
    first = _first(study, branch)
    rest = max(0, branch.budget - first)
    return math.floor(at * first if at <= 1 else first + (at - 1) * rest)


def _first(study: StudyState, branch: BranchState) -> int:
    return min(branch.budget, study.plan.startups[branch.position])


def stint(study: StudyState, branch: BranchState) -> int:
    """How many trials a branch may ask for in one go, at most."""
    startup = study.plan.startups[branch.position]
    return max(FEWEST, startup, math.ceil(branch.budget / 4))


def _others(study: StudyState, branch: BranchState) -> list[BranchState]:
    """The other branches that have something to train that has no slot yet.

    With a slot for each branch there are some, too: where a branch needs many programs its slot
    has few lanes, and another would run away from it.
    """
    ready = pauses.ready(study)
    queued = {trial.group.branch for trial in ready if trial.role.told_to_sampler}
    return [
        other
        for name, other in study.branches.items()
        if other is not branch and (name in queued or askable(study, other) > 0)
    ]


def _trains(study: StudyState, branch: BranchState) -> bool:
    return study.open.count(("running",), roles=POINTS, branch=branch.branch.name) > 0
