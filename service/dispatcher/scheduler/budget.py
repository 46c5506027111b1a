"""Budgets: what a search has spent, which budget that ends, and how its trials then end.  Pure.

    device_seconds, total_meta_iterations   sums over the search's segments
    wall_seconds                            while the study runs under a dispatcher
    target_score                            of a completed trial
    stagnation                              trials that ended since the best completed score
    branches[].device_seconds               of a branch's own trials; the others go on
    trials                                  nothing is left to ask for (`StudyState.search_ended`)
                                            or to train again (`…dispatcher.selection.replicas`)

A budget is looked at whenever a segment is reported and a few times a second.  Once one is spent
no segment of the search is ordered any more; those under way are reported and judged as ever, but
for a budget of time: then they end early.
What then is left ends as pruned if it was scored at a rung, since its score tells the sampler and
the user something, and as cancelled otherwise.  `total_meta_iterations` is never exceeded at all:
what segments may train is counted before they are ordered.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import groupby
from typing import NamedTuple

from metaopt.goals import Goals
from service.db.roles import ROLES, TrialRole
from service.db.states import TrialStatus
from service.dispatcher.scheduler.branch_budgets import reallot
from service.dispatcher.state import BranchState, SlotState, Spent, StudyState, TrialState
from service.planning.plan import Plan
from service.wire.spec.budget import Budget


class Ended(NamedTuple):
    """A trial that ended by itself: when, and with which loss if it completed."""

    at: datetime
    loss: float | None


@dataclass(frozen=True)
class Left:
    """How a trial ends that the search has no budget for: its last loss and where that was."""

    trial: TrialState
    status: TrialStatus
    loss: float | None = None
    rung: int | None = None


def after_segment(spent: Spent, *, seconds: float, lane_iterations: int) -> Spent:
    """What is spent once a segment of the search is reported."""
    return replace(
        spent,
        device_seconds=spent.device_seconds + seconds,
        meta_iterations=spent.meta_iterations + lane_iterations,
    )


def after_trials(spent: Spent, losses: Sequence[float | None]) -> Spent:
    """What is spent once trials have ended together, at one moment.

    Args:
        losses: Of those that completed; None for the others.
    """
    best = min((loss for loss in losses if loss is not None), default=None)
    if best is not None and (spent.best_loss is None or best < spent.best_loss):
        return replace(spent, best_loss=best, trials_since_best=0)
    if spent.best_loss is None:  # nothing has completed: nothing can be better than it
        return spent
    return replace(spent, trials_since_best=spent.trials_since_best + len(losses))


def after_all(spent: Spent, ended: Iterable[Ended]) -> Spent:
    """What is spent after these trials: those with the same instant ended together."""
    in_order = sorted(ended, key=lambda trial: trial.at)
    for _, together in groupby(in_order, key=lambda trial: trial.at):
        spent = after_trials(spent, [trial.loss for trial in together])
    return spent


class Limit(NamedTuple):
    """A budget that ends a search.

    Args:
        name: Its field in `Budget`; null there is no limit.
        reached: Whether what is spent reaches the limit that a spec gives.
        cause: Why trials ended that the search left.
    """

    name: str
    reached: Callable[[Spent, float, Goals], bool]
    cause: str


LIMITS = (
    Limit(
        "target_score",
        lambda spent, target, goals: (
            spent.best_loss is not None and spent.best_loss <= goals.loss(target)
        ),
        "the study's target_score is reached",
    ),
    Limit(
        "total_meta_iterations",
        lambda spent, most, _: spent.meta_iterations >= most,
        "the study's total_meta_iterations budget is spent",
    ),
    Limit(
        "device_seconds",
        lambda spent, most, _: spent.device_seconds >= most,
        "the study's device_seconds budget is spent",
    ),
    Limit(
        "wall_seconds",
        lambda spent, most, _: spent.wall_seconds >= most,
        "the study's wall_seconds budget is spent",
    ),
    Limit(
        "stagnation",
        lambda spent, most, _: spent.trials_since_best >= most,
        "the study's search stagnates: no better score in as many trials as its budget says",
    ),
)
"""Every budget but `trials`, which ends a search by leaving nothing to ask for; the first one
that is reached is the one that is named."""


TIME = frozenset({"wall_seconds", "device_seconds"})
"""Budgets that are over while a segment goes on."""


ERROR = "error"
"""What has ended a search that could not go on; no budget."""


def spent_budget(budget: Budget, spent: Spent, goals: Goals) -> str | None:
    """The name of a budget that is spent, or None."""
    for limit in LIMITS:
        amount = getattr(budget, limit.name)
        if amount is not None and limit.reached(spent, amount, goals):
            return limit.name
    return None


def affordable_iterations(study: StudyState, slots: Iterable[SlotState], lanes: int) -> int | None:
    """How many meta-iterations a new segment of `lanes` lanes may have; None is any number.

    What the study's other segments under way train is counted as spent.
    """
    most = study.spec.budget.total_meta_iterations
    if most is None:
        return None
    left = most - study.spent.meta_iterations - lane_iterations_under_way(study, slots)
    return max(0, left) // max(1, lanes)


def lane_iterations_under_way(study: StudyState, slots: Iterable[SlotState]) -> int:
    """The lane-meta-iterations of the search's segments that have not been reported."""
    return sum(
        slot.iterations * len(slot.lanes) for slot in slots if searches(slot, study) and slot.future
    )


def searches(slot: SlotState, study: StudyState) -> bool:
    """Whether a slot has lanes that the budget of the study's search pays for."""
    paid = slot.group is not None and ROLES[slot.group.role].paid_by_search
    return bool(slot.lanes) and slot.study_id == study.study_id and paid


def of_branch(slot: SlotState, branch: BranchState) -> bool:
    """Whether a slot of a search has lanes that a branch's seconds pay for."""
    group = slot.group
    return (
        group is not None
        and ROLES[group.role].told_to_sampler
        and group.branch == branch.branch.name
    )


def left_trial(study: StudyState, trial: TrialState) -> Left:
    """How a trial ends that the search leaves."""
    losses = study.losses_of(trial.group.branch, trial.trial_number)
    if not losses:
        return Left(trial, TrialStatus.CANCELLED)
    rung = max(losses)
    return Left(trial, TrialStatus.PRUNED, losses[rung], rung)


def cause_of(ended_by: str) -> str:
    """Why a trial ended that the search left, by the budget that ended it."""
    causes = {ERROR: "the study's search could not go on"}
    causes |= {limit.name: limit.cause for limit in LIMITS}
    return causes.get(ended_by, f"the study's {ended_by} budget is spent")


def common_rung(study: StudyState, count: int) -> int | None:
    """Where the finalists of a search without a completed trial are compared.

    The highest rung at which at least `count` trials (or all, if fewer ever were) have a score
    and did not die later; None if none has.
    """
    scored = {rung: len(scored_at(study, rung)) for rung in study.plan[TrialRole.SEARCH].rungs}
    most = max(scored.values(), default=0)
    enough = min(count, most)
    return max((rung for rung, many in scored.items() if many >= enough > 0), default=None)


def scored_at(study: StudyState, rung: int) -> list[tuple[int, float]]:
    """(trial_number, loss) of the search's pruned trials that were scored at `rung`."""
    return sorted(
        (number, loss)
        for (_, at), losses in study.rung_losses.items()
        if at == rung
        for number, loss in losses.items()
        if study.trials[number].status == TrialStatus.PRUNED
    )


def rebudget(study: StudyState, budget: Budget) -> None:
    """Give the study a changed budget; branches keep what they asked for, and results decide."""
    study.plan = Plan.of(study.spec.model_copy(update={"budget": budget}))
    reallot(study)
