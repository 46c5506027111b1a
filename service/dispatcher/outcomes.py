"""Outcomes: what a report means for each lane.  Pure functions.

    diverged            ends as diverged
    at no rung          goes on
    at the last rung    completed
    at another rung     pruned or goes on, judged among all of its branch that came so far

Pruning is decided after the scores of all lanes of the segment are in: which of them the report
lists first changes nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from metaopt.evaluation.statistics import Summary, summarize
from metaopt.search.pruning import should_prune
from service.db.states import TrialRole, TrialStatus
from service.dispatcher.state import StudyState, TrialState
from service.executors.base import LaneReport, SegmentReport


class BadReport(ValueError):
    """A worker's report does not fit its order."""


@dataclass(frozen=True)
class LaneOutcome:
    """What a lane's report means.

    Args:
        trial, lane: Which lane, and what its worker said.
        status: The trial's status from now on.
        summary, score: Of its scores, if it was judged at a rung for the first time.
    """

    trial: TrialState
    lane: LaneReport
    status: TrialStatus
    summary: Summary | None = None
    score: float | None = None


def judge_report(
    study: StudyState, lanes: Sequence[TrialState], report: SegmentReport, iterations: int
) -> list[LaneOutcome]:
    """Return what `report` means for each of `lanes`, in their order.

    Raises:
        BadReport: a lane is missing, has a wrong age, or scores that are missing or not finite.
    """
    by_id = {lane.trial_id: lane for lane in report.lanes}
    scored = [_scored(study, trial, by_id.get(trial.trial_id), iterations) for trial in lanes]
    peers = _peers(study, scored)
    return [
        LaneOutcome(one.trial, one.lane, _status(study, one, peers), one.summary, one.score)
        for one in scored
    ]


def _scored(
    study: StudyState, trial: TrialState, lane: LaneReport | None, iterations: int
) -> LaneOutcome:
    if lane is None:
        raise BadReport(f"the worker says nothing about trial {trial.trial_number}")
    if lane.diverged_at is not None:
        return LaneOutcome(trial, lane, TrialStatus.DIVERGED)
    if lane.meta_iteration != trial.meta_iteration + iterations:
        raise BadReport(
            f"trial {trial.trial_number} should be at meta-iteration "
            f"{trial.meta_iteration + iterations}, the worker says {lane.meta_iteration}"
        )
    rung = lane.meta_iteration
    known = study.rung_scores.get((trial.group.branch, rung), {})
    if rung not in study.rungs(trial.group.role) or trial.trial_number in known:
        return LaneOutcome(trial, lane, TrialStatus.RUNNING)
    return _summarized(study, trial, lane)


def _summarized(study: StudyState, trial: TrialState, lane: LaneReport) -> LaneOutcome:
    if lane.curve is None or lane.diverged_share is None:
        raise BadReport(f"trial {trial.trial_number} was not evaluated at {lane.meta_iteration}")
    try:
        summary = summarize(lane.scores or [])
    except ValueError as error:
        raise BadReport(f"trial {trial.trial_number}: {error}") from None
    score = float(getattr(summary, study.spec.evaluation.statistic))
    return LaneOutcome(trial, lane, TrialStatus.RUNNING, summary, score)


def _peers(study: StudyState, scored: Sequence[LaneOutcome]) -> dict[tuple[str, int], list[float]]:
    peers: dict[tuple[str, int], list[float]] = {}
    for one in scored:
        if one.score is not None and one.trial.group.role == TrialRole.SEARCH:
            place = (one.trial.group.branch, one.lane.meta_iteration)
            if place not in peers:
                peers[place] = list(study.rung_scores.get(place, {}).values())
            peers[place].append(one.score)
    return peers


def _status(
    study: StudyState, one: LaneOutcome, peers: dict[tuple[str, int], list[float]]
) -> TrialStatus:
    rung = one.lane.meta_iteration
    if one.status == TrialStatus.DIVERGED:
        return TrialStatus.DIVERGED
    if rung >= study.rungs(one.trial.group.role)[-1]:
        return TrialStatus.COMPLETED
    pruning = study.spec.pruning
    if one.score is None or pruning.kind == "none":
        return TrialStatus.RUNNING
    prune = should_prune(
        pruning.kind,
        score=one.score,
        peers=peers[one.trial.group.branch, rung],
        maximize=study.spec.maximize(),
        reduction=pruning.reduction,
        startup_trials=pruning.startup_trials,
    )
    return TrialStatus.PRUNED if prune else TrialStatus.RUNNING
