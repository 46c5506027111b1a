"""Decisions: what a report means for each lane.  Pure functions.

    diverged            ends as diverged
    at no rung          goes on
    stopped early       goes on, wherever it is: at a rung it is evaluated by the next order
    at the last rung    completed
    at another rung     the study's rule decides (`metaopt.search.pruning`): goes on, is pruned, or
                        back into the queue, to wait (`service.dispatcher.pruning.pauses`);
                        goes on where the rule fails

Scores become losses here, and all behind it minimises.  Pruning is decided after those of all
lanes of the segment are in: which of them the report lists first changes nothing.
"""

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from metaopt.costs.metric import BankScores
from metaopt.costs.registry import costs_of_scores
from metaopt.errors import InvalidSearch, in_words
from metaopt.estimation.intervals import Bounds
from metaopt.estimation.statistics import Summary, summarize
from metaopt.search.pruning.rule import Decision, Leader, Rung
from service.db.roles import TrialRole
from service.db.states import TrialStatus
from service.dispatcher.pruning.rungs import Arrival, rung_at
from service.dispatcher.state import Place, StudyState, TrialState
from service.executors.base import LaneReport, SegmentReport
from service.planning.cost_metrics import metrics_of_params

STATUSES = {
    Decision.CONTINUE: TrialStatus.RUNNING,
    Decision.PAUSE: TrialStatus.QUEUED,
    Decision.STOP: TrialStatus.PRUNED,
}
"""What a trial is after its rule has decided."""


class BadReport(ValueError):
    """A worker's report does not fit its order."""


@dataclass(frozen=True)
class LaneOutcome:
    """What a lane's report means.

    Args:
        trial, lane: Which lane, and what its worker said.
        status: The trial's status from now on.
        summary: Of its scores, if it was judged at a rung for the first time.
        loss, losses, trimmed_loss: Then what is minimised: of the study's statistic, by task, and
            of the trimmed mean.
        metrics: What else is known of it now.
        unjudged: Its segment was stopped before it was evaluated.
    """

    trial: TrialState
    lane: LaneReport
    status: TrialStatus
    summary: Summary | None = None
    loss: float | None = None
    losses: Sequence[float] = ()
    trimmed_loss: float = 0.0
    metrics: dict[str, float] = field(default_factory=dict)
    unjudged: bool = False

    @property
    def place(self) -> Place:
        """Branch and meta-iteration that it has reached."""
        return self.trial.group.branch, self.lane.meta_iteration

    @property
    def trained(self) -> int:
        """Meta-iterations of the segment; until it is taken over in memory."""
        return self.lane.meta_iteration - self.trial.meta_iteration

    @property
    def searches(self) -> bool:
        """Whether it is a trial of the search."""
        return self.trial.role.judged_at == "rungs"

    @property
    def scored(self) -> Leader | None:
        """What may lead at its rung, if it was judged at one for the first time."""
        if self.loss is None:
            return None
        return Leader(self.loss, self.trial.trial_number, self.losses, self.trimmed_loss)


def judge_report(
    study: StudyState, lanes: Sequence[TrialState], report: SegmentReport, iterations: int
) -> list[LaneOutcome]:
    """The outcome of each of `lanes`, in their order.

    Raises:
        BadReport: a lane is missing, has a wrong age, or scores that are missing or not finite.
    """
    by_id = {lane.trial_id: lane for lane in report.lanes}
    ordered = _Ordered(iterations, report.stopped)
    outcomes = [_scored(study, trial, by_id.get(trial.trial_id), ordered) for trial in lanes]
    rungs = _rungs(study, outcomes)
    return [replace(outcome, status=_status(study, outcome, rungs)) for outcome in outcomes]


def check_trivial(report: SegmentReport, tasks: int) -> None:
    """Check what a report says of trivial predictors.

    Args:
        report: Of an order.
        tasks: On how many tasks that asked for their scores.

    Raises:
        BadReport: scores are missing or not finite.
    """
    for name, scores in (report.trivial or {}).items():
        if len(scores) != tasks or not all(map(math.isfinite, scores)):
            raise BadReport(
                f"{name} has {len(scores)} scores for {tasks} tasks, or not finite ones"
            )


class _Ordered(NamedTuple):
    """How many meta-iterations were ordered, and whether the segment was stopped before them."""

    iterations: int
    stopped: bool

    def allows(self, trained: int) -> bool:
        return 0 <= trained <= self.iterations if self.stopped else trained == self.iterations


def _scored(
    study: StudyState, trial: TrialState, lane: LaneReport | None, ordered: _Ordered
) -> LaneOutcome:
    if lane is None:
        raise BadReport(f"the worker says nothing about trial {trial.trial_number}")
    if lane.diverged_at is not None:
        metrics = {**_known_costs(study, trial), **trial.metrics}
        return LaneOutcome(trial, lane, TrialStatus.DIVERGED, metrics=metrics)
    if not ordered.allows(lane.meta_iteration - trial.meta_iteration):
        raise BadReport(
            f"trial {trial.trial_number} should be at meta-iteration "
            f"{trial.meta_iteration + ordered.iterations}, the worker says {lane.meta_iteration}"
        )
    if ordered.stopped and lane.scores is None:
        return LaneOutcome(trial, lane, TrialStatus.RUNNING, unjudged=True)
    rung = lane.meta_iteration
    earlier = study.rung_losses.get((trial.group.branch, rung), {})
    if rung not in study.plan_of(trial).rungs or trial.trial_number in earlier:
        return LaneOutcome(trial, lane, TrialStatus.RUNNING)
    return _summarized(study, trial, lane)


def _summarized(study: StudyState, trial: TrialState, lane: LaneReport) -> LaneOutcome:
    if lane.curve is None or lane.diverged_share is None:
        raise BadReport(f"trial {trial.trial_number} was not evaluated at {lane.meta_iteration}")
    _check_kept(study, trial, lane)
    goals, metrics = study.plan.goals, _metrics(study, trial, lane)
    try:
        summary = summarize(lane.scores or [], goals.statistic, Bounds(*goals.possible))
    except ValueError as error:
        raise BadReport(f"trial {trial.trial_number}: {error}") from None
    return LaneOutcome(
        trial,
        lane,
        TrialStatus.RUNNING,
        summary,
        loss=goals.loss(float(getattr(summary, goals.statistic))),
        losses=[goals.loss(score) for score in lane.scores or []],
        trimmed_loss=goals.loss(summary.trimmed_mean),
        metrics=metrics,
    )


def _check_kept(study: StudyState, trial: TrialState, lane: LaneReport) -> None:
    """Check that the model that was scored is one that may count."""
    selection = study.plan_of(trial).selection
    if selection is None and lane.kept_at is None:
        return
    rungs = [at for at in selection.tasks_at if at <= lane.meta_iteration] if selection else []
    if lane.kept_at not in rungs or not math.isfinite(lane.latest_score or 0.0):
        raise BadReport(
            f"trial {trial.trial_number} was scored at {lane.meta_iteration} with its model of "
            f"meta-iteration {lane.kept_at}, and may keep those of {rungs or 'none but the last'}"
        )


def _known_costs(study: StudyState, trial: TrialState) -> dict[str, float]:
    costing = study.plan_of(trial).costing[trial.group.branch]
    return metrics_of_params(costing, trial.params)


def _metrics(study: StudyState, trial: TrialState, lane: LaneReport) -> dict[str, float]:
    assert lane.diverged_share is not None
    metrics: dict[str, float] = {
        **_known_costs(study, trial),
        **costs_of_scores(BankScores(lane.scores or [], lane.diverged_share)),
    }
    for name in study.plan.measured:
        cost = lane.costs.get(name, math.nan)
        if not (math.isfinite(cost) and cost >= 0):
            raise BadReport(f"trial {trial.trial_number}: {name} was not measured, got {cost}")
        metrics[name] = cost
    missing = [name for name in study.plan.named_costs if name not in metrics]
    if missing:
        raise BadReport(f"trial {trial.trial_number}: cost metric {missing[0]} gives no number")
    return metrics


def _rungs(study: StudyState, outcomes: Sequence[LaneOutcome]) -> dict[tuple[Place, int], Rung]:
    """Each pool of a rung at which trials are to be decided on, once all lanes are in."""
    last, arrivals = study.plan[TrialRole.SEARCH].horizon, defaultdict(list)
    for outcome in outcomes:
        scored = outcome.scored
        if scored is not None and outcome.lane.meta_iteration < last and outcome.searches:
            arrivals[outcome.place].append(Arrival(scored, outcome.metrics))
    pools = {
        (place, study.pool_of(one.scored.trial_number))
        for place in arrivals
        for one in arrivals[place]
    }
    return {
        (place, pool): rung_at(study, place, arrivals[place], pool=pool) for place, pool in pools
    }


def _status(
    study: StudyState, outcome: LaneOutcome, rungs: Mapping[tuple[Place, int], Rung]
) -> TrialStatus:
    trial = outcome.trial
    if outcome.status == TrialStatus.DIVERGED or outcome.unjudged:
        return outcome.status
    if outcome.lane.meta_iteration >= study.plan_of(trial).rungs[-1]:
        return TrialStatus.COMPLETED
    if outcome.loss is None:
        return TrialStatus.RUNNING
    try:
        pool = study.pool_of(trial.trial_number)
        return STATUSES[_decision(study, rungs[outcome.place, pool], trial.trial_number)]
    except Exception as error:  # a rule may be anybody's; no trial is lost by it
        study.rule_failure = in_words(error)
        return TrialStatus.RUNNING


def _decision(study: StudyState, rung: Rung, trial_number: int) -> Decision:
    rule = study.plan.rule
    decision = rule.decide(rung, trial_number)
    if decision not in STATUSES:
        raise InvalidSearch(f"it decides {decision!r}, which is no Decision")
    if decision is Decision.PAUSE and not rule.pauses:
        raise InvalidSearch("it pauses trials and promotes none")
    return decision
