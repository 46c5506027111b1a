"""The verdict: finalists judged on sealed tasks, beside what the search said; pure functions.

`contenders` says how sure a sealed score, a difference and an optimism are, `winner` what it
changes that the best is named by its sealed score.  Finalists are ranked by their sealed scores;
one with a fresh training that diverged or failed ranks below all that have none: what trains only
sometimes is not a recommendation.  With one seed each the intervals cover the tasks only, and the
result says so (`intervals_cover`).

The number of inner steps at test is chosen where the search's own curve, on meta-validation tasks,
is best.  The sealed curve is only read there: whoever chose on it would judge by what was chosen.
"""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple, cast

from metaopt.evaluation.statistics import summarize
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
    """What finalists are compared with (`service.wire.spec.compare`), and its fresh trainings."""

    branch: str
    params: dict[str, Value]
    runs: Sequence[SealedRun]


class _Judged(NamedTuple):
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
    """Return the verdict.

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
    judged = _judged(spec, trials, runs)
    every_run = [*runs, *(defaults.runs if defaults else [])]
    return StudyResult(
        metric=spec.metric(),
        maximize=spec.maximize(),
        finalists=[_finalist(spec, rank, one, judged) for rank, one in enumerate(judged, start=1)],
        intervals_cover=(
            "tasks and seeds" if any(one.fresh.noise.degrees for one in judged) else "tasks"
        ),
        trials=counts,
        replicas=replicas or {},
        branches=_branches(spec, trials),
        device_seconds=sum(t.device_seconds for t in trials)
        + sum(run.device_seconds for run in every_run),
        wall_seconds=wall_seconds,
        busy_share=busy_share,
        search=search,
        transductive=spec.evaluation.transductive,
        first_order_until=spec.pruning.first_order_until,
        comparison=_comparison(spec, defaults, [one.fresh for one in judged]) if defaults else None,
        objectives=list(spec.objectives),
        constraints=spec.constraints.bounds(),
    )


def best_steps(curve: Sequence[float], *, maximize: bool) -> int:
    """Return after how many inner steps a curve is best, the fewest of equals.

    Args:
        curve: Mean score after 0, 1, … steps on meta-validation tasks, never on sealed ones.
    """
    return curve.index(max(curve) if maximize else min(curve))


def _judged(
    spec: StudySpec, trials: Sequence[SearchTrial], runs: Sequence[SealedRun]
) -> list[_Judged]:
    sources = {run.source_trial_number for run in runs}
    chosen = sorted(
        (trial for trial in trials if trial.trial_number in sources),
        key=lambda trial: (
            trial.replicas_diverged > 0,
            *_order(spec, trial.score or 0.0, trial.trial_number),
        ),
    )
    fresh = with_pooled_noise(
        [contender([r for r in runs if r.source_trial_number == t.trial_number]) for t in chosen]
    )
    judged = [
        _Judged(trial, one, rank)
        for rank, (trial, one) in enumerate(zip(chosen, fresh, strict=True), start=1)
    ]
    return sorted(judged, key=lambda one: _rank_key(spec, one))


def _rank_key(spec: StudySpec, one: _Judged) -> tuple[int, float, int]:
    number = one.trial.trial_number
    if not one.fresh.completed:
        return (2, 0.0, number)
    return (int(not one.fresh.whole), *_order(spec, _statistic(spec, one.fresh.by_task), number))


def _order(spec: StudySpec, score: float, number: int) -> tuple[float, int]:
    return (-score if spec.maximize() else score, number)


def _finalist(spec: StudySpec, rank: int, one: _Judged, judged: Sequence[_Judged]) -> Finalist:
    trial, fresh, best = one.trial, one.fresh, judged[0]
    assert trial.score is not None and trial.low is not None and trial.high is not None
    beaten = [other.fresh for other in judged[1:]] if one is best else []
    sealed = _sealed(spec, fresh, beaten) if fresh.completed else None
    to_best = estimates.difference(fresh, best.fresh) if one is not best else None
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
        optimism=_gap(spec, trial.score, sealed.score) if sealed else None,
        device_seconds=cost.search_device_seconds + cost.fresh_device_seconds,
        tied_with_best=one is best or (to_best is not None and to_best.low <= 0 <= to_best.high),
        runs=[_verdict_run(run) for run in fresh.runs],
        search_rank=one.search_rank,
        optimism_interval=_optimism(spec, one) if sealed else None,
        to_best=to_best,
        steps=_steps(spec, trial, sealed),
        cost=cost,
        metrics=trial.metrics,
        sealed_metrics=_mean_metrics(fresh.completed),
    )


def _mean_metrics(runs: Sequence[SealedRun]) -> dict[str, float]:
    names = runs[0].metrics if runs else {}
    return {name: statistics.fmean(run.metrics[name] for run in runs) for name in names}


def _gap(spec: StudySpec, search: float, sealed: float) -> float:
    return search - sealed if spec.maximize() else sealed - search


def _optimism(spec: StudySpec, one: _Judged) -> Estimate | None:
    if not one.trial.scores:
        return None
    return estimates.optimism(
        one.trial.scores,
        one.fresh,
        maximize=spec.maximize(),
        trainings=one.trial.trainings,
    )


def _steps(spec: StudySpec, trial: SearchTrial, sealed: SealedScore | None) -> StepsAtTest | None:
    if not trial.curve:
        return None
    own, chosen = own_test_steps(trial.params), best_steps(trial.curve, maximize=spec.maximize())
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
    spec: StudySpec, defaults: Defaults, finalists: Sequence[Contender]
) -> Comparison | None:
    reference = estimates.beside(contender(defaults.runs), finalists)
    return Comparison(
        compared_with=spec.verdict.compare,
        branch=defaults.branch,
        params=defaults.params,
        sealed=_sealed(spec, reference) if reference.completed else None,
        difference=estimates.difference(finalists[0], reference),
        cost=_cost(reference.runs),
        runs=[_verdict_run(run) for run in reference.runs],
    )


def _cost(runs: Sequence[SealedRun], trial: SearchTrial | None = None) -> Cost:
    return Cost(
        search_device_seconds=trial.device_seconds if trial else 0.0,
        fresh_device_seconds=sum(run.device_seconds for run in runs),
        search_meta_iterations=trial.meta_iterations if trial else 0,
        fresh_meta_iterations=sum(run.meta_iterations for run in runs),
    )


def _sealed(spec: StudySpec, one: Contender, beaten: Sequence[Contender] = ()) -> SealedScore:
    count = winner_interval.chosen_among(one, beaten)
    tails = winner_interval.winners_tails(count, maximize=spec.maximize())
    summary, mean = summarize(one.by_task), estimates.sealed_mean(one, tails)
    return SealedScore(
        score=_statistic(spec, one.by_task),
        low=mean.low,
        high=mean.high,
        mean=summary.mean,
        median=summary.median,
        trimmed_mean=summary.trimmed_mean,
        diverged_share=statistics.fmean(run.diverged_share for run in one.completed),
        curve=[statistics.fmean(x) for x in zip(*(r.curve for r in one.completed), strict=True)],
        tasks=len(one.by_task),
        seeds=len(one.completed),
        chosen_among=count,
    )


def _verdict_run(run: SealedRun) -> VerdictRun:
    return VerdictRun(
        trial_number=run.trial_number,
        status=cast(Literal["completed", "diverged", "failed"], run.status),
        score=run.score,
        cause=run.cause,
    )


def _statistic(spec: StudySpec, scores: Sequence[float]) -> float:
    return float(getattr(summarize(scores), spec.evaluation.statistic))


def _branches(spec: StudySpec, trials: Sequence[SearchTrial]) -> dict[str, BranchSummary]:
    return {branch.algorithm: _branch(spec, branch.algorithm, trials) for branch in spec.branches}


def _branch(spec: StudySpec, name: str, trials: Sequence[SearchTrial]) -> BranchSummary:
    own = [trial for trial in trials if trial.branch == name]
    completed = [t for t in own if t.status == "completed" and t.score is not None]
    feasible = [t for t in completed if spec.goals().feasible(t.metrics)]
    scores = [t.score for t in feasible if t.score is not None]
    best = (max if spec.maximize() else min)(scores) if scores else None
    return BranchSummary(
        trials=len(own), best_score=best, device_seconds=sum(t.device_seconds for t in own)
    )
