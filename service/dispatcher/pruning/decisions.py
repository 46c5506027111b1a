"""Outcomes: what a report means for each lane.  Pure functions.

    diverged            ends as diverged
    at no rung          goes on
    at the last rung    completed
    at another rung     race: pruned if worse than the leader there
                        (`metaopt.search.pruning.race`); else pruned or goes on, judged
                        among all of its branch that came so far; asha: goes on or back
                        into the queue, to wait (`service.dispatcher.pruning.asha`)

Pruning is decided after the scores of all lanes of the segment are in: which of them the report
lists first changes nothing.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from metaopt.evaluation.statistics import Summary, summarize
from metaopt.search.pruning.race import is_worse, level_of_a_look
from metaopt.search.pruning.rules import hyperband_bracket, should_prune
from service.db.states import TrialRole, TrialStatus
from service.dispatcher.pruning import asha
from service.dispatcher.pruning.ranking import Judged, judged, metrics_of_params
from service.dispatcher.state import Leader, Place, StudyState, TrialState, better
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
        metrics: What else is known of it now.
    """

    trial: TrialState
    lane: LaneReport
    status: TrialStatus
    summary: Summary | None = None
    score: float | None = None
    metrics: dict[str, float] = field(default_factory=dict)


def judge_report(
    study: StudyState, lanes: Sequence[TrialState], report: SegmentReport, iterations: int
) -> list[LaneOutcome]:
    """Return what `report` means for each of `lanes`, in their order.

    Raises:
        BadReport: a lane is missing, has a wrong age, or scores that are missing or not finite.
    """
    by_id = {lane.trial_id: lane for lane in report.lanes}
    scored = [_scored(study, trial, by_id.get(trial.trial_id), iterations) for trial in lanes]
    peers, leaders = _peers(study, scored), _leaders(study, scored)
    standings = {
        place: judged(study.spec, peers[place], _known(study, scored, place)) for place in peers
    }
    best = _promoted(study, standings)
    return [replace(one, status=_status(study, one, standings, leaders, best)) for one in scored]


def _scored(
    study: StudyState, trial: TrialState, lane: LaneReport | None, iterations: int
) -> LaneOutcome:
    if lane is None:
        raise BadReport(f"the worker says nothing about trial {trial.trial_number}")
    if lane.diverged_at is not None:
        metrics = {**metrics_of_params(study.spec, trial.params), **trial.metrics}
        return LaneOutcome(trial, lane, TrialStatus.DIVERGED, metrics=metrics)
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
    metrics = _metrics(study, trial, lane)
    return LaneOutcome(trial, lane, TrialStatus.RUNNING, summary, score, metrics)


def _metrics(study: StudyState, trial: TrialState, lane: LaneReport) -> dict[str, float]:
    assert lane.diverged_share is not None
    found: dict[str, float] = {
        **metrics_of_params(study.spec, trial.params),
        "diverged_share": lane.diverged_share,
    }
    for name in study.spec.measured():
        cost = lane.costs.get(name, math.nan)
        if not (math.isfinite(cost) and cost >= 0):
            raise BadReport(f"trial {trial.trial_number}: {name} was not measured, got {cost}")
        found[name] = cost
    return found


def _peers(study: StudyState, scored: Sequence[LaneOutcome]) -> dict[Place, dict[int, float]]:
    peers: dict[Place, dict[int, float]] = {}
    for one in scored:
        if one.score is not None and one.trial.group.role == TrialRole.SEARCH:
            place = (one.trial.group.branch, one.lane.meta_iteration)
            if place not in peers:
                peers[place] = dict(study.rung_scores.get(place, {}))
            peers[place][one.trial.trial_number] = one.score
    return peers


def _known(
    study: StudyState, scored: Sequence[LaneOutcome], place: Place
) -> dict[int, dict[str, float]]:
    fresh = {
        one.trial.trial_number: one.metrics
        for one in scored
        if one.score is not None and (one.trial.group.branch, one.lane.meta_iteration) == place
    }
    return {**study.rung_metrics.get(place, {}), **fresh}


def _leaders(study: StudyState, scored: Sequence[LaneOutcome]) -> dict[Place, Leader]:
    """Return who leads at each place once all lanes of the segment are in."""
    leaders = dict(study.leaders)
    if study.spec.pruning.kind == "race":
        for one in scored:
            if one.score is None or one.trial.group.role != TrialRole.SEARCH:
                continue
            if study.spec.goals().feasible(one.metrics):
                place = (one.trial.group.branch, one.lane.meta_iteration)
                mine = Leader(one.score, one.lane.scores or [])
                leaders[place] = better(leaders.get(place), mine, maximize=study.spec.maximize())
    return leaders


def _promoted(study: StudyState, standings: dict[Place, Judged]) -> dict[Place, set[int]]:
    """Return which trials go on from each place, once all lanes of the segment are in."""
    if study.spec.pruning.kind != asha.KIND:
        return {}
    reduction = study.spec.pruning.reduction
    return {
        place: asha.promoted(values, reduction, maximize=maximize)
        for place, (values, maximize) in standings.items()
    }


def _loses(study: StudyState, one: LaneOutcome, leader: Leader, peers: int) -> bool:
    pruning, scores = study.spec.pruning, one.lane.scores or []
    if scores == leader.scores:
        return False
    looks = len(study.rungs(one.trial.group.role)) - 1
    return is_worse(
        scores,
        leader.scores,
        maximize=study.spec.maximize(),
        delta=pruning.delta,
        level=level_of_a_look(pruning.alpha, rungs=looks, peers=peers),
    )


def _status(
    study: StudyState,
    one: LaneOutcome,
    standings: dict[Place, Judged],
    leaders: dict[Place, Leader],
    promoted: dict[Place, set[int]],
) -> TrialStatus:
    rung = one.lane.meta_iteration
    if one.status == TrialStatus.DIVERGED:
        return TrialStatus.DIVERGED
    if rung >= study.rungs(one.trial.group.role)[-1]:
        return TrialStatus.COMPLETED
    pruning = study.spec.pruning
    if one.score is None or pruning.kind == "none":
        return TrialStatus.RUNNING
    place = (one.trial.group.branch, rung)
    at_rung, maximize = standings[place]
    if pruning.kind == "race":
        loses = place in leaders and _loses(study, one, leaders[place], len(at_rung))
        return TrialStatus.PRUNED if loses else TrialStatus.RUNNING
    if pruning.kind == asha.KIND:
        goes_on = one.trial.trial_number in promoted[place]
        return TrialStatus.RUNNING if goes_on else TrialStatus.QUEUED
    if pruning.kind == "hyperband":
        bracket = _bracket(study, one.trial.trial_number)
        if study.spec.rungs().index(rung) < bracket:
            return TrialStatus.RUNNING
        at_rung = {n: score for n, score in at_rung.items() if _bracket(study, n) == bracket}
    prune = should_prune(
        pruning.kind,
        score=at_rung[one.trial.trial_number],
        peers=list(at_rung.values()),
        maximize=maximize,
        reduction=pruning.reduction,
        startup_trials=pruning.startup_trials,
        percentile=pruning.percentile,
    )
    return TrialStatus.PRUNED if prune else TrialStatus.RUNNING


def _bracket(study: StudyState, trial_number: int) -> int:
    rungs = len(study.spec.rungs()) - 1
    return hyperband_bracket(trial_number, rungs=rungs, reduction=study.spec.pruning.reduction)
