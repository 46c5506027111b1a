"""Rungs: what a pruning rule is given to decide from.  Pure functions."""

from collections.abc import Sequence
from typing import NamedTuple

from metaopt.goals import Metrics
from metaopt.search.pruning.rule import Leader, Need, Rung, contenders
from metaopt.search.pruning.standings import Standings
from service.db.roles import TrialRole
from service.dispatcher.state import Place, StudyState


class Arrival(NamedTuple):
    """A trial that was just scored at a rung, not yet kept in the study's state."""

    scored: Leader
    metrics: Metrics


def rung_at(
    study: StudyState, place: Place, arrivals: Sequence[Arrival] = (), *, pool: int = 0
) -> Rung:
    """What the study's rule has to know of a (branch, rung), once `arrivals` are in.

    Args:
        pool: Among whose trials the rule judges.
    """
    below = study.plan[TrialRole.SEARCH].rungs[:-1]
    needs = study.plan.rule.needs
    return Rung(
        index=below.index(place[1]),
        count=len(below),
        standings=_standings(study, place, arrivals, pool),
        task_losses=_task_losses(arrivals) if Need.TASK_LOSSES in needs else {},
        leader=_leader(study, place, arrivals) if Need.LEADER in needs else None,
        contenders=_contenders(study, place, arrivals) if Need.CONTENDERS in needs else (),
        statistic=study.spec.evaluation.statistic,
        options=study.plan.options,
    )


def _standings(
    study: StudyState, place: Place, arrivals: Sequence[Arrival], pool: int
) -> Standings:
    known = study.standings.get(place, {}).get(pool, Standings())
    return known.with_arrivals(
        (scored.trial_number, study.rank(scored.loss, metrics))
        for scored, metrics in arrivals
        if study.pool_of(scored.trial_number) == pool
    )


def _task_losses(arrivals: Sequence[Arrival]) -> dict[int, Sequence[float]]:
    return {arrival.scored.trial_number: arrival.scored.losses for arrival in arrivals}


def _leader(study: StudyState, place: Place, arrivals: Sequence[Arrival]) -> Leader | None:
    feasible, leader = study.plan.goals.feasible, study.leaders.get(place)
    for scored, metrics in arrivals:
        if feasible(metrics) and scored.leads(leader):
            leader = scored
    return leader


def _contenders(study: StudyState, place: Place, arrivals: Sequence[Arrival]) -> Sequence[Leader]:
    feasible = study.plan.goals.feasible
    new = [arrival.scored for arrival in arrivals if feasible(arrival.metrics)]
    return contenders([*study.contenders.get(place, ()), *new])
