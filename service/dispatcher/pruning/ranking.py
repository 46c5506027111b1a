"""Judging: what beside its score is known of a trial, and what trials at a rung are compared by.

    report of a lane ──▶ metrics ──▶ judged at rungs, told to samplers, kept in the rows

Pure functions.
"""

from collections.abc import Mapping
from typing import NamedTuple

from metaopt.goals import SCORE, Metrics, standing
from metaopt.metaparams import Value
from service.dispatcher.state import Place, StudyState
from service.planning.signatures import own_test_steps
from service.wire.spec.study import StudySpec


class Judged(NamedTuple):
    """What trials at a rung are compared by, and in which direction."""

    values: dict[int, float]
    maximize: bool


def metrics_of_params(spec: StudySpec, params: Mapping[str, Value]) -> dict[str, float]:
    """Return what a trial's parameters say about its costs."""
    k_shot, _ = spec.evaluation_shots()
    support = k_shot * getattr(spec.tasks, "n_way", 1)
    return {"adaptation_examples": float(own_test_steps(dict(params)) * support)}


def judged(spec: StudySpec, scores: Mapping[int, float], metrics: Mapping[int, Metrics]) -> Judged:
    """Return what to prune by at a rung.

    The scores as they are, or the metric that `pruning.metric` names; under constraints the
    trials' places, those that keep them first: an infeasible trial must not stop one that is not.

    Args:
        scores: Of the trials at the rung, by number.
        metrics: What else was known of them there.
    """
    goals, by = spec.goals(), spec.pruning.metric
    if by == SCORE and not goals.bounds:
        return Judged(dict(scores), goals.maximize)
    sign = -1.0 if by == SCORE and goals.maximize else 1.0
    known = scores if by == SCORE else {number: metrics[number][by] for number in scores}
    losses = {number: sign * value for number, value in known.items()}
    violations = {number: goals.violation(metrics.get(number, {})) for number in scores}
    return Judged(standing(losses, violations), False)


def judged_at(study: StudyState, place: Place) -> Judged:
    """Return what to prune by at a (branch, rung) of the study."""
    return judged(study.spec, study.rung_scores[place], study.rung_metrics.get(place, {}))
