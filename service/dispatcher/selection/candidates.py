"""Candidates: which trials of a search may be finalists, and why none may.  Pure functions.

judged where the search ended ──▶ keep the constraints ──▶ ranked, or the Pareto front
"""

from collections.abc import Sequence
from typing import NamedTuple

from metaopt.goals import Metrics, pareto_front, spread
from service.dispatcher.scheduler.budget import common_rung, scored_at
from service.dispatcher.selection import replicas
from service.dispatcher.state import StudyState
from service.judgement.finalists import rank_trials
from service.wire.views.result import ParetoTrial


class Candidate(NamedTuple):
    """A trial that was scored where the search is judged."""

    trial_number: int
    loss: float  # the mean over its trainings
    metrics: Metrics
    steady: bool = True  # no replica of it diverged


def scored_candidates(study: StudyState) -> list[Candidate]:
    """The search's trials that were scored where it is judged, by number.

    They are those that completed.  Where a budget ended the search before any did, those that were
    scored at the highest common rung.
    """
    completed = [
        Candidate(
            trained.trial_number,
            trained.mean,
            study.trials[trained.trial_number].metrics,
            not trained.diverged,
        )
        for trained in replicas.configurations(study)
    ]
    if completed or study.search_ended_by is None:
        return completed
    rung = common_rung(study, study.spec.verdict.judged(len(study.branches)))
    if rung is None:
        return []
    return [
        Candidate(trial_number, loss, _metrics_at(study, trial_number, rung))
        for trial_number, loss in scored_at(study, rung)
    ]


def eligible(study: StudyState) -> list[Candidate]:
    """The candidates that keep the constraints; of several objectives the Pareto front.

    Best score first, ties by number; last those that diverged when they were trained again.
    """
    goals = study.plan.goals
    feasible = {c.trial_number: c for c in scored_candidates(study) if goals.feasible(c.metrics)}
    if goals.several:
        front = pareto_front({number: _losses(study, c) for number, c in feasible.items()})
        return [feasible[number] for number in front]
    losses = [(number, candidate.loss) for number, candidate in feasible.items()]
    ranked = [feasible[number] for number in rank_trials(losses)]
    return sorted(ranked, key=lambda candidate: not candidate.steady)


def broken_candidates(study: StudyState) -> list[Candidate]:
    """The candidates that break a constraint."""
    feasible = study.plan.goals.feasible
    return [c for c in scored_candidates(study) if not feasible(c.metrics)]


def spread_finalists(study: StudyState, front: Sequence[Candidate]) -> list[int]:
    """The numbers of the finalists of a Pareto front: far apart, the best score first."""
    losses = {candidate.trial_number: _losses(study, candidate) for candidate in front}
    return spread(list(losses), losses, study.spec.verdict.finalists)


def pareto_trials(study: StudyState) -> list[ParetoTrial] | None:
    """The Pareto set with its values, best score first; None with one objective."""
    if not study.plan.goals.several:
        return None
    return [_pareto_trial(study, candidate) for candidate in eligible(study)]


def why_nothing_is_feasible(study: StudyState) -> str | None:
    """Which bound no trial kept, or that none kept all; None where that is not the reason.

    The tightest bound is the one that most of the trials broke.
    """
    goals, scored = study.plan.goals, scored_candidates(study)
    if not scored or not goals.bounds:
        return None
    broken = [name for candidate in scored for name in goals.broken(candidate.metrics)]
    tightest = max(goals.bounds, key=broken.count)
    least = min(c.metrics[tightest] for c in scored if tightest in c.metrics)
    return (
        f"no trial keeps the constraints: {broken.count(tightest)} of {len(scored)} that were "
        f"judged exceed {tightest} <= {goals.bounds[tightest]:g}, the least any of them has is "
        f"{least:g}: raise that bound, or search where trials cost less"
    )


def _pareto_trial(study: StudyState, candidate: Candidate) -> ParetoTrial:
    goals, trial = study.plan.goals, study.trials[candidate.trial_number]
    values = goals.values(goals.score(candidate.loss), candidate.metrics)
    assert values is not None
    return ParetoTrial(
        trial_number=candidate.trial_number,
        branch=trial.group.branch,
        algorithm=study.spec.branch(trial.group.branch).algorithm,
        params=trial.params,
        values=dict(zip(goals.objectives, values, strict=True)),
    )


def _losses(study: StudyState, candidate: Candidate) -> tuple[float, ...]:
    goals = study.plan.goals
    values = goals.values(goals.score(candidate.loss), candidate.metrics)
    unmeasured = f"trial {candidate.trial_number} has no {', '.join(goals.objectives)}"
    assert values is not None, unmeasured
    return goals.losses(values)


def _metrics_at(study: StudyState, trial_number: int, rung: int) -> Metrics:
    place = study.trials[trial_number].group.branch, rung
    return study.rung_metrics.get(place, {}).get(trial_number, {})
