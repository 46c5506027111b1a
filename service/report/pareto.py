"""The Pareto set of a report: what trials cost beside their scores, and which bounds they break."""

from collections.abc import Sequence

from metaopt.goals import Goals, pareto_front
from service.wire.spec.study import StudySpec
from service.wire.views.report import Pareto, ParetoPoint
from service.wire.views.studies import TrialView


def pareto(spec: StudySpec, trials: Sequence[TrialView]) -> Pareto | None:
    """The completed trials by objectives and bounded metrics.

    None where the score is all that counts, or nothing has completed.

    Args:
        spec: Of the study.
        trials: Of its search.
    """
    goals = spec.goals()
    axes = list(dict.fromkeys([*goals.objectives, *goals.bounds]))
    completed = [
        trial for trial in trials if trial.status == "completed" and trial.score is not None
    ]
    if len(axes) == 1 or not completed:
        return None
    front = _front(goals, completed) if goals.several else set()
    points = [
        ParetoPoint(
            trial_number=trial.trial_number,
            branch=trial.branch,
            params=trial.params,
            values={n: v for n, v in _values(trial).items() if n in axes},
            broken=goals.broken(trial.metrics or {}),
            on_front=trial.trial_number in front,
        )
        for trial in completed
    ]
    return Pareto(objectives=list(goals.objectives), bounds=dict(goals.bounds), points=points)


def costs_of(pareto: Pareto) -> list[str]:
    """The metrics beside the score, objectives first."""
    return list(dict.fromkeys([*pareto.objectives[1:], *pareto.bounds]))


def _front(goals: Goals, trials: Sequence[TrialView]) -> set[int]:
    losses = {}
    for trial in trials:
        assert trial.score is not None
        values = goals.values(trial.score, trial.metrics or {})
        if values is not None and goals.feasible(trial.metrics or {}):
            losses[trial.trial_number] = goals.losses(values)
    return set(pareto_front(losses))


def _values(trial: TrialView) -> dict[str, float]:
    assert trial.score is not None
    return {"score": trial.score, **(trial.metrics or {})}
