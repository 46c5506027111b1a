"""Budgets: what a search has spent, which budget that ends, and how its trials then end.  Pure.

    device_seconds, total_meta_iterations   sums over the search's segments
    wall_seconds                            while the study runs under a dispatcher
    target_score                            of a completed trial
    stagnation                              trials that ended since the best completed score
    trials                                  nothing is left to ask for (`StudyState.search_ended`)
                                            or to train again (`…dispatcher.selection.replicas`)

A budget is looked at whenever a segment is reported and a few times a second.  Once one is spent
no segment of the search is ordered any more; those under way are reported and judged as ever.
What then is left ends as pruned if it was scored at a rung, since its score tells the sampler and
the user something, and as cancelled otherwise.  `total_meta_iterations` is never exceeded at all:
what segments may train is counted before they are ordered.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import groupby
from typing import NamedTuple

from service.db.states import SEARCH_ROLES, TrialRole, TrialStatus
from service.dispatcher.scheduler.branch_budgets import reallot
from service.dispatcher.state import SlotState, Spent, StudyState, TrialState
from service.wire.spec.budget import Budget


class Ended(NamedTuple):
    """A trial that ended by itself: when, and with which score if it completed."""

    at: datetime
    score: float | None


@dataclass(frozen=True)
class Left:
    """How a trial ends that the search has no budget for: its last score and where that was."""

    trial: TrialState
    status: TrialStatus
    score: float | None = None
    rung: int | None = None


def after_segment(spent: Spent, *, seconds: float, lane_iterations: int) -> Spent:
    """Return what is spent once a segment of the search is reported."""
    return replace(
        spent,
        device_seconds=spent.device_seconds + seconds,
        meta_iterations=spent.meta_iterations + lane_iterations,
    )


def after_trials(spent: Spent, scores: Sequence[float | None], *, maximize: bool) -> Spent:
    """Return what is spent once trials have ended together, at one moment.

    Args:
        scores: Of those that completed; None for the others.
    """
    reached = [score for score in scores if score is not None]
    best = (max if maximize else min)(reached, default=None)
    if best is not None and is_better(best, spent.best_score, maximize=maximize):
        return replace(spent, best_score=best, trials_since_best=0)
    if spent.best_score is None:  # nothing has completed: nothing can be better than it
        return spent
    return replace(spent, trials_since_best=spent.trials_since_best + len(scores))


def after_all(spent: Spent, ended: Iterable[Ended], *, maximize: bool) -> Spent:
    """Return what is spent after these trials: those with the same instant ended together."""
    in_order = sorted(ended, key=lambda one: one.at)
    for _, together in groupby(in_order, key=lambda one: one.at):
        spent = after_trials(spent, [one.score for one in together], maximize=maximize)
    return spent


def is_better(score: float, than: float | None, *, maximize: bool) -> bool:
    """Return whether `score` is better than another, or the first."""
    return than is None or (score > than if maximize else score < than)


def spent_budget(budget: Budget, spent: Spent, *, maximize: bool) -> str | None:
    """Return the name of a budget that is spent, or None."""
    limits = {
        "total_meta_iterations": (spent.meta_iterations, budget.total_meta_iterations),
        "device_seconds": (spent.device_seconds, budget.device_seconds),
        "wall_seconds": (spent.wall_seconds, budget.wall_seconds),
        "stagnation": (spent.trials_since_best, budget.stagnation),
    }
    target, best = budget.target_score, spent.best_score
    if target is not None and best is not None:
        if best >= target if maximize else best <= target:
            return "target_score"
    return next((k for k, (is_, most) in limits.items() if most is not None and is_ >= most), None)


def affordable_iterations(study: StudyState, slots: Iterable[SlotState], lanes: int) -> int | None:
    """Return how many meta-iterations a new segment of `lanes` lanes may have; None is any number.

    What the study's other segments under way train is counted as spent.
    """
    most = study.spec.budget.total_meta_iterations
    if most is None:
        return None
    left = most - study.spent.meta_iterations - lane_iterations_under_way(study, slots)
    return max(0, left) // max(1, lanes)


def lane_iterations_under_way(study: StudyState, slots: Iterable[SlotState]) -> int:
    """Return the lane-meta-iterations of the search's segments that have not been reported."""
    return sum(
        slot.iterations * len(slot.lanes) for slot in slots if searches(slot, study) and slot.future
    )


def searches(slot: SlotState, study: StudyState) -> bool:
    """Return whether a slot has lanes that the budget of the study's search pays for."""
    role = slot.group.role if slot.group else None
    return bool(slot.lanes) and slot.study_id == study.study_id and role in SEARCH_ROLES


def left_trial(study: StudyState, trial: TrialState) -> Left:
    """Return how a trial ends that the search leaves."""
    scored = {
        rung: scores[trial.trial_number]
        for (branch, rung), scores in study.rung_scores.items()
        if branch == trial.group.branch and trial.trial_number in scores
    }
    if not scored:
        return Left(trial, TrialStatus.CANCELLED)
    rung = max(scored)
    return Left(trial, TrialStatus.PRUNED, scored[rung], rung)


def cause_of(ended_by: str) -> str:
    """Return why a trial ended that the search left."""
    if ended_by == "target_score":
        return "the study's target_score is reached"
    if ended_by == "stagnation":
        return "the study's search stagnates: no better score in as many trials as its budget says"
    return f"the study's {ended_by} budget is spent"


def common_rung(study: StudyState, count: int) -> int | None:
    """Return where the finalists of a search without a completed trial are compared.

    The highest rung at which at least `count` trials (or all, if fewer ever were) have a score
    and did not die later; None if none has.
    """
    scored = {rung: len(scored_at(study, rung)) for rung in study.rungs(TrialRole.SEARCH)}
    most = max(scored.values(), default=0)
    enough = min(count, most)
    return max((rung for rung, many in scored.items() if many >= enough > 0), default=None)


def scored_at(study: StudyState, rung: int) -> list[tuple[int, float]]:
    """Return (trial_number, score) of the search's pruned trials that were scored at `rung`."""
    return sorted(
        (number, score)
        for (_, at), scores in study.rung_scores.items()
        if at == rung
        for number, score in scores.items()
        if study.trials[number].status == TrialStatus.PRUNED
    )


def rebudget(study: StudyState, budget: Budget) -> None:
    """Give the study a changed budget; branches keep what they asked for, and results decide."""
    study.spec = study.spec.model_copy(update={"budget": budget})
    reallot(study)
