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
    """Return the search's trials that were scored where it is judged, by number.

    They are those that completed.  Where a budget ended the search before any did, those that were
    scored at the highest common rung.
    """
    completed = [
        Candidate(
            one.trial_number, one.mean, study.trials[one.trial_number].metrics, not one.diverged
        )
        for one in replicas.configurations(study)
    ]
    if completed or study.search_ended_by is None:
        return completed
    rung = common_rung(study, study.spec.verdict.finalists)
    if rung is None:
        return []
    return [
        Candidate(number, loss, _metrics_at(study, number, rung))
        for number, loss in scored_at(study, rung)
    ]


def eligible(study: StudyState) -> list[Candidate]:
    """Return the candidates that keep the constraints; of several objectives the Pareto front.

    Best score first, ties by number; last those that diverged when they were trained again.
    """
    goals = study.spec.goals()
    kept = {
        one.trial_number: one for one in scored_candidates(study) if goals.feasible(one.metrics)
    }
    if goals.several:
        front = pareto_front({number: _losses(study, one) for number, one in kept.items()})
        return [kept[number] for number in front]
    losses = [(number, one.loss) for number, one in kept.items()]
    ranked = [kept[number] for number in rank_trials(losses)]
    return sorted(ranked, key=lambda one: not one.steady)


def broken_candidates(study: StudyState) -> list[Candidate]:
    """Return the candidates that break a constraint."""
    feasible = study.spec.goals().feasible
    return [one for one in scored_candidates(study) if not feasible(one.metrics)]


def spread_finalists(study: StudyState, front: Sequence[Candidate]) -> list[int]:
    """Return the numbers of the finalists of a Pareto front: far apart, the best score first."""
    losses = {one.trial_number: _losses(study, one) for one in front}
    return spread([one.trial_number for one in front], losses, study.spec.verdict.finalists)


def pareto_trials(study: StudyState) -> list[ParetoTrial] | None:
    """Return the Pareto set with its values, best score first; None with one objective."""
    goals = study.spec.goals()
    if not goals.several:
        return None
    found = []
    for one in eligible(study):
        trial = study.trials[one.trial_number]
        values = goals.values(goals.score(one.loss), one.metrics)
        assert values is not None
        found.append(
            ParetoTrial(
                trial_number=one.trial_number,
                branch=trial.group.branch,
                params=trial.params,
                values=dict(zip(goals.objectives, values, strict=True)),
            )
        )
    return found


def why_nothing_is_feasible(study: StudyState) -> str | None:
    """Return which bound no trial kept, or that none kept all; None where that is not the reason.

    The tightest bound is the one that most of the trials broke.
    """
    goals, scored = study.spec.goals(), scored_candidates(study)
    if not scored or not goals.bounds:
        return None
    broken = [name for one in scored for name in goals.broken(one.metrics)]
    tightest = max(goals.bounds, key=broken.count)
    least = min(one.metrics[tightest] for one in scored if tightest in one.metrics)
    return (
        f"no trial keeps the constraints: {broken.count(tightest)} of {len(scored)} that were "
        f"judged exceed {tightest} <= {goals.bounds[tightest]:g}, the least any of them has is "
        f"{least:g}: raise that bound, or search where trials cost less"
    )


def _losses(study: StudyState, one: Candidate) -> tuple[float, ...]:
    goals = study.spec.goals()
    values = goals.values(goals.score(one.loss), one.metrics)
    assert values is not None, f"trial {one.trial_number} has no {', '.join(goals.objectives)}"
    return goals.losses(values)


def _metrics_at(study: StudyState, number: int, rung: int) -> Metrics:
    place = study.trials[number].group.branch, rung
    return study.rung_metrics.get(place, {}).get(number, {})
