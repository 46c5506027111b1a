"""The verdict: finalists judged on sealed tasks, with intervals; pure functions.

A finalist's score on task t is the mean over its r seeds, x_t.  Its interval is mean ± t·SE,

    SE² = Var_t(x_t) / T + s² / r

The first term is the noise of the tasks, the second that of training: s² is the variance of a
finalist's seeds' means, pooled over the finalists, with ν = Σ (r − 1) degrees of freedom, for two
or three seeds alone say next to nothing.  A finalist that diverges while it adapts to a sealed
task is not pooled: one such task moves its mean by orders of magnitude, which says nothing about
the others; it has the variance of its own seeds.  t is Student's, with the degrees of freedom of
Welch and Satterthwaite for the sum.  With one seed each s² is unknown: the interval covers the
tasks only, and the result says so (`intervals_cover`).

Two finalists are tied if the interval of their paired difference over tasks, d_t = x_t − y_t,

    SE² = Var_t(d_t) / T + s² (1 / r + 1 / q)

includes 0 (where each has a variance of its own, s² / r + s'² / q).  A finalist with a fresh
training that diverged or failed ranks below all that have none: what trains only sometimes is
not a recommendation.
"""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, cast

from metaopt.evaluation.statistics import student_t95, summarize
from service.wire.result import (
    BranchSummary,
    Finalist,
    SealedScore,
    SearchCost,
    SearchScore,
    StudyResult,
    VerdictRun,
)
from service.wire.spec import StudySpec


@dataclass(frozen=True)
class SearchTrial:
    """A trial of the search; `low` and `high` are None unless it completed."""

    trial_number: int
    branch: str
    status: str
    params: dict[str, Any]
    score: float | None
    low: float | None
    high: float | None
    device_seconds: float


@dataclass(frozen=True)
class SealedRun:
    """A fresh training of a finalist; it has scores if it completed."""

    trial_number: int
    source_trial_number: int
    status: str
    cause: str | None
    score: float | None
    scores: list[float]
    curve: list[float]
    diverged_share: float
    device_seconds: float


class _SeedNoise(NamedTuple):
    """Variance of a seed's mean and its degrees of freedom: 0 where nothing is known."""

    variance: float
    degrees: int


class _Judged(NamedTuple):
    """A finalist's scores: by task as means over seeds, and by seed as means over tasks."""

    trial: SearchTrial
    runs: list[SealedRun]
    completed: list[SealedRun]
    by_task: list[float]
    by_seed: list[float]
    noise: _SeedNoise = _SeedNoise(0.0, 0)


class _SquaredError(NamedTuple):
    """A part of the squared standard error, and its degrees of freedom."""

    value: float
    degrees: int


def choose_finalists(
    trials: Sequence[tuple[int, float]], *, count: int, maximize: bool
) -> list[int]:
    """Return the numbers of the best of (trial_number, score), best first; ties by number."""
    ranked = sorted(trials, key=lambda trial: (-trial[1] if maximize else trial[1], trial[0]))
    return [number for number, _ in ranked[:count]]


def study_result(
    spec: StudySpec,
    trials: Sequence[SearchTrial],
    runs: Sequence[SealedRun],
    *,
    counts: dict[str, int],
    wall_seconds: float,
    busy_share: float | None = None,
    search: SearchCost | None = None,
) -> StudyResult:
    """Return the verdict.

    Args:
        trials: Every trial of the search.
        runs: Every fresh training, ended.
        counts: Trials of the search by status.
        wall_seconds: From the study's start to its end.
        busy_share: Share of the slots' time that went into segments.
        search: What the search spent, and what ended it.
    """
    judged = _judged(spec, trials, runs)
    return StudyResult(
        metric=spec.metric(),
        maximize=spec.maximize(),
        finalists=[
            _finalist(spec, rank, one, tied=_tied(one, judged[0]))
            for rank, one in enumerate(judged, start=1)
        ],
        intervals_cover="tasks and seeds" if any(one.noise.degrees for one in judged) else "tasks",
        trials=counts,
        branches=_branches(spec, trials),
        device_seconds=sum(t.device_seconds for t in trials) + sum(r.device_seconds for r in runs),
        wall_seconds=wall_seconds,
        busy_share=busy_share,
        search=search,
        transductive=spec.evaluation.transductive,
    )


def _judged(
    spec: StudySpec, trials: Sequence[SearchTrial], runs: Sequence[SealedRun]
) -> list[_Judged]:
    sources = {run.source_trial_number for run in runs}
    judged = _with_noise([_judge(t, runs) for t in trials if t.trial_number in sources])
    return sorted(judged, key=lambda one: _rank_key(spec, one))


def _judge(trial: SearchTrial, runs: Sequence[SealedRun]) -> _Judged:
    own = [run for run in runs if run.source_trial_number == trial.trial_number]
    completed = [run for run in own if run.status == "completed"]
    by_task = [statistics.fmean(x) for x in zip(*(run.scores for run in completed), strict=True)]
    return _Judged(trial, own, completed, by_task, [statistics.fmean(r.scores) for r in completed])


def _with_noise(judged: Sequence[_Judged]) -> list[_Judged]:
    pooled = _seed_noise([one for one in judged if _adapts(one)])
    noises = [pooled if _adapts(one) else _seed_noise([one]) for one in judged]
    return [one._replace(noise=noise) for one, noise in zip(judged, noises, strict=True)]


def _adapts(one: _Judged) -> bool:
    return all(run.diverged_share == 0.0 for run in one.completed)


def _seed_noise(judged: Sequence[_Judged]) -> _SeedNoise:
    repeated = [one.by_seed for one in judged if len(one.by_seed) > 1]
    degrees = sum(len(means) - 1 for means in repeated)
    squares = sum(statistics.variance(means) * (len(means) - 1) for means in repeated)
    return _SeedNoise(squares / degrees if degrees else 0.0, degrees)


def _half_width(tasks: _SquaredError, finalists: Sequence[_Judged]) -> float:
    """Return t·SE of independent errors: of the tasks, and of the finalists' seeds."""
    shares: dict[_SeedNoise, float] = {}  # one pooled variance is one estimate, whoever shares it
    for one in finalists:
        shares[one.noise] = shares.get(one.noise, 0.0) + 1 / len(one.by_seed)
    seeds = [_SquaredError(noise.variance * n, noise.degrees) for noise, n in shares.items()]
    known = [part for part in (tasks, *seeds) if part.value > 0.0]
    total = sum(part.value for part in known)
    if total == 0.0:
        return 0.0
    spread = sum(part.value**2 / part.degrees for part in known)  # Welch and Satterthwaite
    return student_t95(max(1, math.floor(total**2 / spread))) * math.sqrt(total)


def _rank_key(spec: StudySpec, one: _Judged) -> tuple[int, float, int]:
    if not one.completed:
        return (2, 0.0, one.trial.trial_number)
    score = _statistic(spec, one.by_task)
    broken = len(one.completed) < len(one.runs)
    return (int(broken), -score if spec.maximize() else score, one.trial.trial_number)


def _tied(one: _Judged, best: _Judged) -> bool:
    if one is best:
        return True
    if not one.completed or not best.completed:
        return False
    differences = [x - y for x, y in zip(one.by_task, best.by_task, strict=True)]
    tasks = len(differences)
    error = _SquaredError(statistics.variance(differences) / tasks, tasks - 1)
    return abs(statistics.fmean(differences)) <= _half_width(error, [one, best])


def _finalist(spec: StudySpec, rank: int, one: _Judged, *, tied: bool) -> Finalist:
    trial = one.trial
    assert trial.score is not None and trial.low is not None and trial.high is not None
    sealed = _sealed(spec, one) if one.completed else None
    optimism = None
    if sealed is not None:
        gap = trial.score - sealed.score
        optimism = gap if spec.maximize() else -gap
    return Finalist(
        rank=rank,
        trial_number=trial.trial_number,
        branch=trial.branch,
        params=trial.params,
        search=SearchScore(score=trial.score, low=trial.low, high=trial.high),
        sealed=sealed,
        optimism=optimism,
        device_seconds=trial.device_seconds + sum(run.device_seconds for run in one.runs),
        tied_with_best=tied,
        runs=[_verdict_run(run) for run in one.runs],
    )


def _sealed(spec: StudySpec, one: _Judged) -> SealedScore:
    summary = summarize(one.by_task)
    error = _SquaredError(summary.stderr**2, len(one.by_task) - 1)
    half = _half_width(error, [one])
    return SealedScore(
        score=_statistic(spec, one.by_task),
        low=summary.mean - half,
        high=summary.mean + half,
        mean=summary.mean,
        median=summary.median,
        trimmed_mean=summary.trimmed_mean,
        diverged_share=statistics.fmean(run.diverged_share for run in one.completed),
        curve=[statistics.fmean(x) for x in zip(*(r.curve for r in one.completed), strict=True)],
        tasks=len(one.by_task),
        seeds=len(one.completed),
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
    scores = [t.score for t in own if t.status == "completed" and t.score is not None]
    best = (max if spec.maximize() else min)(scores) if scores else None
    return BranchSummary(
        trials=len(own), best_score=best, device_seconds=sum(t.device_seconds for t in own)
    )
