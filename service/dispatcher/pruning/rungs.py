"""Rungs: what a pruning rule is given to decide from.  Pure functions."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from metaopt.goals import Metrics
from metaopt.search.pruning.rule import Leader, Need, Rung, contenders
from service.db.roles import TrialRole
from service.dispatcher.pruning.ranking import rank
from service.dispatcher.state import Place, StudyState


class Arrival(NamedTuple):
    """A trial that was just scored at a rung, not yet kept in the study's state."""

    scored: Leader
    metrics: Metrics


def rung_at(study: StudyState, place: Place, arrivals: Sequence[Arrival] = ()) -> Rung:
    """What the study's rule has to know of a (branch, rung), once `arrivals` are in."""
    below = study.plan[TrialRole.SEARCH].rungs[:-1]
    needs = study.spec.pruning.rule().needs
    return Rung(
        index=below.index(place[1]),
        count=len(below),
        ranking=_ranking(study, place, arrivals) if Need.RANKING in needs else {},
        task_losses=_task_losses(arrivals) if Need.TASK_LOSSES in needs else {},
        leader=_leader(study, place, arrivals) if Need.LEADER in needs else None,
        contenders=_contenders(study, place, arrivals) if Need.CONTENDERS in needs else (),
        statistic=study.spec.evaluation.statistic,
        options=study.spec.pruning.options(),
    )


def _ranking(study: StudyState, place: Place, arrivals: Sequence[Arrival]) -> Mapping[int, float]:
    losses = dict(study.rung_losses.get(place, {}))
    metrics: dict[int, Metrics] = dict(study.rung_metrics.get(place, {}))
    for scored, costs in arrivals:
        losses[scored.trial_number] = scored.loss
        metrics[scored.trial_number] = costs
    return rank(study.spec, losses, metrics)


def _task_losses(arrivals: Sequence[Arrival]) -> dict[int, Sequence[float]]:
    return {arrival.scored.trial_number: arrival.scored.losses for arrival in arrivals}


def _leader(study: StudyState, place: Place, arrivals: Sequence[Arrival]) -> Leader | None:
    feasible, leader = study.spec.goals().feasible, study.leaders.get(place)
    for scored, metrics in arrivals:
        if feasible(metrics) and scored.leads(leader):
            leader = scored
    return leader


def _contenders(study: StudyState, place: Place, arrivals: Sequence[Arrival]) -> Sequence[Leader]:
    feasible = study.spec.goals().feasible
    new = [arrival.scored for arrival in arrivals if feasible(arrival.metrics)]
    return contenders([*study.contenders.get(place, ()), *new])
