"""The verdict: finalists judged on sealed tasks, beside what the search said; pure functions.

`estimates` says how sure a sealed score, a difference and an optimism are, `winner_interval` what
it changes that the best is named by its sealed score.  Scores become losses where they are read
and scores again where a view is made of them.  Finalists are ranked by their sealed losses; one
with a fresh training that diverged or failed ranks below all that have none: what trains only
sometimes is not a recommendation.  With one seed each the intervals cover the tasks only, and the
result says so (`intervals_cover`).

The number of inner steps at test is chosen where the search's own curve, on meta-validation tasks,
is best.  The sealed curve is only read there: whoever chose on it would judge by what was chosen.
"""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from metaopt.evaluation.intervals import Interval
from metaopt.evaluation.statistics import summarize
from metaopt.goals import Goals
from metaopt.metaparams import Value
from service.judgement import estimates, winner_interval
from service.judgement.estimates import Contender, SealedRun, contender, with_pooled_noise
from service.planning.signatures import own_test_steps
from service.wire.spec.study import StudySpec
from service.wire.views.judged import Estimate, VerdictRun
from service.wire.views.result import (
    BranchSummary,
    Comparison,
    Cost,
    Finalist,
    SealedScore,
    SearchCost,
    SearchScore,
    StepsAtTest,
    StudyResult,
)


@dataclass(frozen=True)
class SearchTrial:
    """A trial of the search with its replicas; a finalist has what its last reports said.

    Args:
        score: Mean over its trainings.
        low, high: 95 % interval of its mean over the tasks of the search's bank.
        scores: By task of that bank, means over its trainings.
        metrics: What else was measured there.
        curve: Mean score there after 0, 1, … inner steps.
        trainings: How many completed: its own and replicas.
        replicas_diverged: How many of its replicas did.
    """

    trial_number: int
    branch: str
    status: str
    params: dict[str, Value]
    score: float | None
    device_seconds: float
    meta_iterations: int = 0
    low: float | None = None
    high: float | None = None
    scores: list[float] = field(default_factory=list)
    curve: list[float] = field(default_factory=list)
    metrics: dict[str, float] = field(default_factory=dict)
    trainings: int = 1
    replicas_diverged: int = 0


@dataclass(frozen=True)
class Defaults:
    """A configuration beside the finalists (`service.wire.spec.compare`), and its trainings."""

    branch: str
    params: dict[str, Value]
    runs: Sequence[SealedRun]


class _Ranked(NamedTuple):
    trial: SearchTrial
    fresh: Contender
    search_rank: int


def study_result(
    spec: StudySpec,
    trials: Sequence[SearchTrial],
    runs: Sequence[SealedRun],
    *,
    defaults: Defaults | None = None,
    counts: dict[str, int],
    replicas: dict[str, int] | None = None,
    wall_seconds: float,
    busy_share: float | None = None,
    search: SearchCost | None = None,
) -> StudyResult:
    """The verdict.

    Args:
        trials: Every trial of the search.
        runs: Every fresh training of a finalist, ended.
        defaults: What the finalists are compared with.
        counts: Trials of the search by status.
        replicas: Its replicas likewise.
        wall_seconds: From the study's start to its end.
        busy_share: Share of the slots' time that went into segments.
        search: What the search spent, and what ended it.
    """
    ranked = _ranked(spec, trials, runs)
    every_run = [*runs, *(defaults.runs if defaults else [])]
    return StudyResult(
        **_asked(spec),
        finalists=[_finalist(spec, rank, each, ranked) for rank, each in enumerate(ranked, 1)],
        intervals_cover=(
            "tasks and seeds" if any(each.fresh.noise.degrees for each in ranked) else "tasks"
        ),
        trials=counts,
        replicas=replicas or {},
        branches=_branches(spec, trials),
        device_seconds=sum(part.device_seconds for part in trials)
        + sum(part.device_seconds for part in every_run),
        wall_seconds=wall_seconds,
        busy_share=busy_share,
        search=search,
        comparison=_comparison(spec, defaults, [each.fresh for each in ranked]),
    )


def best_steps(losses: Sequence[float]) -> int:
    """After how many inner steps a curve is best, the fewest of equals.

    Args:
        losses: Means after 0, 1, … steps on meta-validation tasks, never on sealed ones.
    """
    return losses.index(min(losses))


def _asked(spec: StudySpec) -> dict[str, Any]:
    """What a result repeats of its spec."""
    return {
        "metric": spec.metric(),
        "maximize": spec.goals().maximize,
        "transductive": spec.evaluation.transductive,
        "first_order_until": spec.pruning.first_order_until,
        "objectives": list(spec.objectives),
        "constraints": spec.constraints.bounds(),
    }


def _ranked(
    spec: StudySpec, trials: Sequence[SearchTrial], runs: Sequence[SealedRun]
) -> list[_Ranked]:
    """The finalists, best first: by sealed losses, whole trainings before broken ones."""
    sources, goals = {run.source_trial_number for run in runs}, spec.goals()
    chosen = sorted(
        (trial for trial in trials if trial.trial_number in sources),
        key=lambda trial: (
            trial.replicas_diverged > 0,
            goals.loss(trial.score or 0.0),
            trial.trial_number,
        ),
    )
    fresh = with_pooled_noise([contender(_runs_of(trial, runs), goals) for trial in chosen])
    by_search = [
        _Ranked(trial, sealed, rank)
        for rank, (trial, sealed) in enumerate(zip(chosen, fresh, strict=True), start=1)
    ]
    return sorted(by_search, key=lambda each: _rank_key(spec, each))


def _runs_of(trial: SearchTrial, runs: Sequence[SealedRun]) -> list[SealedRun]:
    return [run for run in runs if run.source_trial_number == trial.trial_number]


def _rank_key(spec: StudySpec, finalist: _Ranked) -> tuple[int, float, int]:
    trial_number, fresh = finalist.trial.trial_number, finalist.fresh
    if not fresh.completed:
        return (2, 0.0, trial_number)
    return (int(not fresh.whole), _statistic(spec, fresh.by_task), trial_number)


def _finalist(spec: StudySpec, rank: int, finalist: _Ranked, ranked: Sequence[_Ranked]) -> Finalist:
    trial, fresh, best, goals = finalist.trial, finalist.fresh, ranked[0], spec.goals()
    assert trial.score is not None and trial.low is not None and trial.high is not None
    beaten = [other.fresh for other in ranked[1:]] if finalist is best else []
    sealed = _sealed(spec, fresh, beaten) if fresh.completed else None
    to_best = estimates.difference(fresh, best.fresh) if finalist is not best else None
    cost = _cost(fresh.runs, trial)
    return Finalist(
        rank=rank,
        trial_number=trial.trial_number,
        branch=trial.branch,
        params=trial.params,
        search=SearchScore(
            score=trial.score, low=trial.low, high=trial.high, trainings=trial.trainings
        ),
        sealed=sealed,
        optimism=goals.loss(sealed.score) - goals.loss(trial.score) if sealed else None,
        device_seconds=cost.search_device_seconds + cost.fresh_device_seconds,
        tied_with_best=finalist is best or _includes_zero(to_best),
        runs=[VerdictRun.of(run) for run in fresh.runs],
        search_rank=finalist.search_rank,
        optimism_interval=_optimism(goals, finalist) if sealed else None,
        to_best=to_best and Estimate.of(to_best.scores(goals)),
        steps=_steps(goals, trial, sealed),
        cost=cost,
        metrics=trial.metrics,
        sealed_metrics=fresh.metrics,
    )


def _includes_zero(difference: Interval | None) -> bool:
    return difference is not None and difference.low <= 0 <= difference.high


def _optimism(goals: Goals, finalist: _Ranked) -> Estimate | None:
    """How optimistic the search was; above 0 it flattered, whatever the direction of the metric."""
    trial = finalist.trial
    if not trial.scores:
        return None
    losses = [goals.loss(score) for score in trial.scores]
    return Estimate.of(estimates.optimism(losses, finalist.fresh, trainings=trial.trainings))


def _steps(goals: Goals, trial: SearchTrial, sealed: SealedScore | None) -> StepsAtTest | None:
    if not trial.curve:
        return None
    own = own_test_steps(trial.params)
    chosen = best_steps([goals.loss(score) for score in trial.curve])
    return StepsAtTest(
        own=own,
        chosen=chosen,
        search_curve=trial.curve,
        sealed_at_own=_at(sealed, own),
        sealed_at_chosen=_at(sealed, chosen),
    )


def _at(sealed: SealedScore | None, steps: int) -> float | None:
    return sealed.curve[steps] if sealed is not None and steps < len(sealed.curve) else None


def _comparison(
    spec: StudySpec, defaults: Defaults | None, finalists: Sequence[Contender]
) -> Comparison | None:
    if defaults is None:
        return None
    goals = spec.goals()
    reference = estimates.beside(contender(defaults.runs, goals), finalists)
    difference = estimates.difference(finalists[0], reference)
    return Comparison(
        compared_with=spec.verdict.compare,
        branch=defaults.branch,
        params=defaults.params,
        sealed=_sealed(spec, reference) if reference.completed else None,
        difference=difference and Estimate.of(difference.scores(goals)),
        cost=_cost(reference.runs),
        runs=[VerdictRun.of(run) for run in reference.runs],
    )


def _cost(runs: Sequence[SealedRun], trial: SearchTrial | None = None) -> Cost:
    return Cost(
        search_device_seconds=trial.device_seconds if trial else 0.0,
        fresh_device_seconds=sum(run.device_seconds for run in runs),
        search_meta_iterations=trial.meta_iterations if trial else 0,
        fresh_meta_iterations=sum(run.meta_iterations for run in runs),
    )


def _sealed(spec: StudySpec, fresh: Contender, beaten: Sequence[Contender] = ()) -> SealedScore:
    """The sealed score of a contender; `beaten` are those that it came out on top of."""
    goals, count = spec.goals(), winner_interval.chosen_among(fresh, beaten)
    error_rates = winner_interval.winners_error_rates(count)
    mean = estimates.interval(estimates.mean_of(fresh), error_rates).scores(goals)
    scores = [goals.score(loss) for loss in fresh.by_task]
    summary = summarize(scores)
    curves = [run.curve for run in fresh.completed]
    return SealedScore(
        score=_statistic(spec, scores),
        low=mean.low,
        high=mean.high,
        mean=summary.mean,
        median=summary.median,
        trimmed_mean=summary.trimmed_mean,
        diverged_share=statistics.fmean(run.diverged_share for run in fresh.completed),
        curve=[statistics.fmean(at_step) for at_step in zip(*curves, strict=True)],
        tasks=fresh.tasks,
        seeds=fresh.seeds,
        chosen_among=count,
    )


def _statistic(spec: StudySpec, by_task: Sequence[float]) -> float:
    return float(getattr(summarize(by_task), spec.evaluation.statistic))


def _branches(spec: StudySpec, trials: Sequence[SearchTrial]) -> dict[str, BranchSummary]:
    return {branch.algorithm: _branch(spec, branch.algorithm, trials) for branch in spec.branches}


def _branch(spec: StudySpec, name: str, trials: Sequence[SearchTrial]) -> BranchSummary:
    own, goals = [trial for trial in trials if trial.branch == name], spec.goals()
    losses = [
        goals.loss(trial.score)
        for trial in own
        if trial.status == "completed" and trial.score is not None and goals.feasible(trial.metrics)
    ]
    return BranchSummary(
        trials=len(own),
        best_score=goals.score(min(losses)) if losses else None,
        device_seconds=sum(trial.device_seconds for trial in own),
    )
