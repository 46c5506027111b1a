"""Ranking: what beside its score is known of a trial, and what trials at a rung are ranked by.

    report of a lane ──▶ metrics ──▶ ranked at rungs, told to samplers, kept in the rows

Pure functions.
"""

from collections.abc import Mapping

from metaopt.goals import SCORE, Metrics, standing
from service.dispatcher.state import Place, StudyState
from service.wire.spec.study import StudySpec

Ranking = Mapping[int, float]
"""What trials at a rung are ranked by, by trial number: less is better."""


def rank(spec: StudySpec, losses: Mapping[int, float], metrics: Mapping[int, Metrics]) -> Ranking:
    """The ranking at a rung.

    It is the losses as they are, or the metric that `pruning.metric` names; under constraints the
    trials' places, those that keep them first: an infeasible trial must not stop one that is not.

    Args:
        losses: Of the trials at the rung, by number.
        metrics: What else was known of them there.
    """
    goals, metric = spec.goals(), spec.pruning.metric
    if metric == SCORE and not goals.bounds:
        return losses
    by_metric = losses if metric == SCORE else {n: metrics[n][metric] for n in losses}
    violations = {number: goals.violation(metrics.get(number, {})) for number in losses}
    return standing(by_metric, violations)


def ranking_at(study: StudyState, place: Place) -> Ranking:
    """The ranking at a (branch, rung) of the study."""
    return rank(study.spec, study.rung_losses[place], study.rung_metrics.get(place, {}))
