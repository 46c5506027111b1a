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
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from metaopt.estimation.intervals import ErrorRates, Interval
from metaopt.estimation.limits import interval
from metaopt.estimation.statistics import summarize
from metaopt.goals import Goals
from metaopt.metaparams import Value
from service.judgement import estimates, winner_interval
from service.judgement.cautions import Judged, cautions
from service.judgement.cost_front import Priced, cost_front
from service.judgement.estimates import Contender, SealedRun, among_finalists, contender
from service.judgement.heavy_tasks import heavy_tasks
from service.judgement.trivial import Winner, trivial_reference
from service.judgement.ways_without import Way, ways_without
from service.planning.signatures import own_test_steps
from service.wire.spec.compare import is_way_without
from service.wire.spec.study import StudySpec
from service.wire.views.judged import Estimate, VerdictRun
from service.wire.views.result import (
    BranchSummary,
    Comparison,
    ConfigurationCost,
    Finalist,
    SealedScore,
    SearchCost,
    SearchScore,
    StepsAtTest,
    StudyResult,
)
from service.wire.words.verdict import reference_name


@dataclass(frozen=True)
class SearchTrial:
    """A trial of the search with its replicas; a finalist has what its last reports said.

    Args:
        score: Mean over its trainings.
        low, high: 95 % interval of its score over the tasks of the search's bank.
        scores: By task of that bank, means over its trainings.
        metrics: What else was measured there.
        curve: Mean score there after 0, 1, … inner steps.
        trainings: How many completed: its own and replicas.
        replicas_diverged: How many of its replicas did.
        kept_at: Of each that completed the meta-iteration of its model, if the best counts.
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
    kept_at: tuple[int, ...] = ()


@dataclass(frozen=True)
class Beside:
    """A configuration beside the finalists (`service.wire.spec.compare`), and its trainings."""

    name: str
    branch: str
    params: dict[str, Value]
    runs: Sequence[SealedRun]


class _Compared(NamedTuple):
    beside: Beside
    fresh: Contender
    view: Comparison

    @property
    def meta_learns(self) -> bool:
        """Whether it is of the spec's defaults, or of a published recipe."""
        return not is_way_without(self.beside.name)


class _Ranked(NamedTuple):
    trial: SearchTrial
    fresh: Contender
    search_rank: int


def study_result(
    spec: StudySpec,
    trials: Sequence[SearchTrial],
    runs: Sequence[SealedRun],
    *,
    beside: Sequence[Beside] = (),
    counts: dict[str, int],
    replicas: dict[str, int] | None = None,
    trivial: Mapping[str, Sequence[float]] | None = None,
    wall_seconds: float,
    busy_share: float | None = None,
    search: SearchCost | None = None,
) -> StudyResult:
    """The verdict.

    Args:
        trials: Every trial of the search.
        runs: Every fresh training of a finalist, ended.
        beside: What the finalists are compared with, and was trained.
        counts: Trials of the search by status.
        replicas: Its replicas likewise.
        trivial: Scores by sealed task of trivial predictors, by their names.
        wall_seconds: From the study's start to its end.
        busy_share: Share of the slots' time that went into segments.
        search: What the search spent, and what ended it.
    """
    every_run = [*runs, *(run for each in beside for run in each.runs)]
    learned = [run for each in beside if not is_way_without(each.name) for run in each.runs]
    unadapted = estimates.unadapted_loss([*runs, *learned], spec.goals())
    ranked = _ranked(spec, trials, runs, unadapted)
    scored = [each for each in ranked if each.fresh.completed]
    finalists = [_finalist(spec, rank, each, ranked) for rank, each in enumerate(ranked, 1)]
    compared = [_compared(spec, each, ranked, unadapted) for each in beside]
    comparison = next((each.view for each in compared if each.meta_learns), None)
    best = Winner(ranked[0].fresh, _luck(ranked)) if scored else None
    trivial_answer = trivial_reference(trivial or {}, best, spec.goals())
    return StudyResult(
        **_asked(spec),
        finalists=finalists,
        intervals_cover=(
            "tasks and seeds"
            if scored and all(each.fresh.noise.degrees for each in scored)
            else "tasks"
        ),
        trials=counts,
        replicas=replicas or {},
        branches=_branches(spec, trials),
        device_seconds=sum(part.device_seconds for part in trials)
        + sum(part.device_seconds for part in every_run),
        wall_seconds=wall_seconds,
        busy_share=busy_share,
        search=search,
        comparison=comparison,
        cost_front=cost_front(spec.verdict.cost, _priced(ranked, finalists, compared)),
        comparisons=[each.view for each in compared if each.view is not comparison],
        without_meta_learning=ways_without(
            spec.verdict.compared(),
            {each.beside.name: Way(each.fresh, each.view) for each in compared},
            trivial_answer,
            spec.goals(),
        ),
        trivial=trivial_answer,
        cautions=cautions(
            _judged(ranked, finalists, compared),
            spec.metric(),
            different=spec.tasks.record.different(spec.tasks.chosen(), "test"),
        ),
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
        "keep": spec.evaluation.keep,
        "objectives": list(spec.objectives),
        "constraints": spec.constraints.bounds(),
    }


def _ranked(
    spec: StudySpec,
    trials: Sequence[SearchTrial],
    runs: Sequence[SealedRun],
    unadapted: float,
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
    fresh = among_finalists(
        [contender(_runs_of(trial, runs), goals, unadapted=unadapted) for trial in chosen]
    )
    by_search = [
        _Ranked(trial, sealed, rank)
        for rank, (trial, sealed) in enumerate(zip(chosen, fresh, strict=True), start=1)
    ]
    return sorted(by_search, key=lambda each: _rank_key(each))


def _runs_of(trial: SearchTrial, runs: Sequence[SealedRun]) -> list[SealedRun]:
    return [run for run in runs if run.source_trial_number == trial.trial_number]


def _rank_key(finalist: _Ranked) -> tuple[int, float, int]:
    trial_number, fresh = finalist.trial.trial_number, finalist.fresh
    if not fresh.completed:
        return (2, 0.0, trial_number)
    return (int(not fresh.whole), fresh.loss, trial_number)


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
        algorithm=spec.branch(trial.branch).algorithm,
        model=_model(spec, trial.branch),
        params=trial.params,
        search=SearchScore(
            score=trial.score,
            low=trial.low,
            high=trial.high,
            trainings=trial.trainings,
            kept_at=list(trial.kept_at),
        ),
        sealed=sealed,
        optimism=goals.loss(sealed.score) - goals.loss(trial.score) if sealed else None,
        device_seconds=cost.search_device_seconds + cost.fresh_device_seconds,
        tied_with_best=finalist is best or _tied(fresh, best.fresh, to_best),
        runs=[VerdictRun.of(run) for run in fresh.runs],
        search_rank=finalist.search_rank,
        optimism_interval=_optimism(goals, finalist) if sealed else None,
        to_best=to_best and Estimate.of(to_best.scores(goals)),
        steps=_steps(goals, trial, sealed),
        cost=cost,
        metrics=trial.metrics,
        sealed_metrics=fresh.metrics,
    )


def _tied(fresh: Contender, best: Contender, to_best: Interval | None) -> bool:
    """Whether a finalist may be as good: its loss, and how often it trains and adapts."""
    if to_best is None or not to_best.low <= 0 <= to_best.high:
        return False
    trains_less = best.whole and not fresh.whole
    return not trains_less and not estimates.explodes_more(fresh, best)


def _optimism(goals: Goals, finalist: _Ranked) -> Estimate | None:
    """How optimistic the search was; above 0 it flattered, whatever the direction of the metric."""
    trial = finalist.trial
    if not trial.scores:
        return None
    assert trial.score is not None
    optimism = estimates.optimism(
        trial.score, trial.scores, finalist.fresh, goals, trainings=trial.trainings
    )
    return Estimate.of(optimism)


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


def _compared(
    spec: StudySpec, beside: Beside, ranked: Sequence[_Ranked], unadapted: float
) -> _Compared:
    fresh = contender(beside.runs, spec.goals(), unadapted=unadapted)
    fresh = estimates.beside(fresh, [each.fresh for each in ranked])
    difference = estimates.difference(ranked[0].fresh, fresh, _luck(ranked))
    view = Comparison(
        compared_with=beside.name,
        branch=beside.branch,
        algorithm=spec.branch(beside.branch).algorithm,
        model=_model(spec, beside.branch),
        params=beside.params,
        sealed=_sealed(spec, fresh) if fresh.completed else None,
        difference=difference and Estimate.of(difference.scores(spec.goals())),
        cost=_cost(fresh.runs),
        runs=[VerdictRun.of(run) for run in fresh.runs],
    )
    return _Compared(beside, fresh, view)


def _luck(ranked: Sequence[_Ranked]) -> ErrorRates:
    """The error rates of what is said of the best, who may have been lucky."""
    best, *others = (each.fresh for each in ranked)
    return winner_interval.winners_error_rates(winner_interval.chosen_among(best, others))


def _judged(
    ranked: Sequence[_Ranked],
    finalists: Sequence[Finalist],
    compared: Sequence[_Compared],
) -> list[Judged]:
    """All that have a sealed score, as `cautions` wants them."""
    judged = [
        Judged(f"trial {view.trial_number}", view.trial_number, each.fresh, view.sealed)
        for each, view in zip(ranked, finalists, strict=True)
        if view.sealed is not None
    ]
    judged += [
        Judged(reference_name(each.view), None, each.fresh, each.view.sealed)
        for each in compared
        if each.view.sealed is not None
    ]
    return judged


def _priced(
    ranked: Sequence[_Ranked],
    finalists: Sequence[Finalist],
    compared: Sequence[_Compared],
) -> list[Priced]:
    """All that were judged, as the front of score against cost wants them."""
    priced = [
        Priced(
            f"trial {view.trial_number}",
            view.trial_number,
            view.branch,
            view.algorithm,
            each.fresh,
            view.sealed,
        )
        for each, view in zip(ranked, finalists, strict=True)
    ]
    for each in compared:
        name, view = reference_name(each.view), each.view
        priced.append(Priced(name, None, view.branch, view.algorithm, each.fresh, view.sealed))
    return priced


def _cost(runs: Sequence[SealedRun], trial: SearchTrial | None = None) -> ConfigurationCost:
    return ConfigurationCost(
        search_device_seconds=trial.device_seconds if trial else 0.0,
        fresh_device_seconds=sum(run.device_seconds for run in runs),
        search_meta_iterations=trial.meta_iterations if trial else 0,
        fresh_meta_iterations=sum(run.meta_iterations for run in runs),
    )


def _sealed(spec: StudySpec, fresh: Contender, beaten: Sequence[Contender] = ()) -> SealedScore:
    """The sealed score of a contender; `beaten` are those that it came out on top of."""
    goals, count = spec.goals(), winner_interval.chosen_among(fresh, beaten)
    error_rates = winner_interval.winners_error_rates(count)
    limits = interval(estimates.loss_of(fresh), error_rates).scores(goals)
    summary = summarize([goals.score(loss) for loss in fresh.by_task])
    curves = [run.curve for run in fresh.completed]
    return SealedScore(
        score=limits.value,
        stderr=limits.stderr,
        low=limits.low,
        high=limits.high,
        mean=summary.mean,
        median=summary.median,
        trimmed_mean=summary.trimmed_mean,
        diverged_share=statistics.fmean(run.diverged_share for run in fresh.completed),
        exploded=Estimate.of(estimates.exploded_share(fresh)),
        heavy_tasks=heavy_tasks(fresh, goals),
        curve=[statistics.fmean(at_step) for at_step in zip(*curves, strict=True)],
        tasks=fresh.tasks,
        seeds=fresh.seeds,
        chosen_among=count,
    )


def _model(spec: StudySpec, branch: str) -> dict[str, Any]:
    return spec.model_of(spec.branch(branch)).model_dump(mode="json")


def _branches(spec: StudySpec, trials: Sequence[SearchTrial]) -> dict[str, BranchSummary]:
    return {branch.name: _branch(spec, branch.name, trials) for branch in spec.branches}


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
        algorithm=spec.branch(name).algorithm,
    )
