"""The verdict: finalists judged on sealed tasks, with intervals; pure functions.

A finalist's score on task t is the mean over its r seeds, x_t.  Its interval is mean ± 1.96·SE,

    SE² = Var_t(x_t) / T + Var_s(m_s) / r

where m_s is the mean of seed s over tasks.  The first term is the noise of the tasks, the
second that of training.  It is conservative: the noise of the tasks is also in the seeds' means
(the tasks are the same, their scores are not).  With one seed the second term is unknown and 0.

Two finalists are tied if the interval of their paired difference over tasks, d_t = x_t − y_t,

    SE² = Var_t(d_t) / T + Var_s(m_s) / r + Var_s(n_s) / q

includes 0.  A finalist with a fresh training that diverged or failed ranks below all that have
none: what trains only sometimes is not a recommendation.
"""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, cast

from metaopt.evaluation.statistics import summarize
from service.wire.result import (
    BranchSummary,
    Finalist,
    SealedScore,
    SearchScore,
    StudyResult,
    VerdictRun,
)
from service.wire.spec import StudySpec

_Z95 = 1.96


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


class _Judged(NamedTuple):
    """A finalist's scores: mean over seeds by task, and the squared error of its seeds."""

    trial: SearchTrial
    runs: list[SealedRun]
    completed: list[SealedRun]
    by_task: list[float]
    seed_error: float


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
) -> StudyResult:
    """Return the verdict.

    Args:
        trials: Every trial of the search.
        runs: Every fresh training, ended.
        counts: Trials of the search by status.
        wall_seconds: From the study's start to its end.
    """
    return StudyResult(
        metric=spec.metric(),
        maximize=spec.maximize(),
        finalists=_finalists(spec, trials, runs),
        trials=counts,
        branches=_branches(spec, trials),
        device_seconds=sum(t.device_seconds for t in trials) + sum(r.device_seconds for r in runs),
        wall_seconds=wall_seconds,
        transductive=spec.evaluation.transductive,
    )


def _finalists(
    spec: StudySpec, trials: Sequence[SearchTrial], runs: Sequence[SealedRun]
) -> list[Finalist]:
    sources = {run.source_trial_number for run in runs}
    judged = [_judge(trial, runs) for trial in trials if trial.trial_number in sources]
    judged.sort(key=lambda one: _rank_key(spec, one))
    best = judged[0] if judged else None
    return [
        _finalist(spec, rank, one, tied=best is not None and _tied(one, best))
        for rank, one in enumerate(judged, start=1)
    ]


def _judge(trial: SearchTrial, runs: Sequence[SealedRun]) -> _Judged:
    own = [run for run in runs if run.source_trial_number == trial.trial_number]
    completed = [run for run in own if run.status == "completed"]
    by_task = [statistics.fmean(x) for x in zip(*(run.scores for run in completed), strict=True)]
    means = [statistics.fmean(run.scores) for run in completed]
    seed_error = statistics.variance(means) / len(means) if len(means) > 1 else 0.0
    return _Judged(trial, own, completed, by_task, seed_error)


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
    variance = statistics.variance(differences) / len(differences)
    error = math.sqrt(variance + one.seed_error + best.seed_error)
    return abs(statistics.fmean(differences)) <= _Z95 * error


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
    error = math.sqrt(summary.stderr**2 + one.seed_error)
    return SealedScore(
        score=_statistic(spec, one.by_task),
        low=summary.mean - _Z95 * error,
        high=summary.mean + _Z95 * error,
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
