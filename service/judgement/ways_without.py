"""What meta-learning was worth: the best finalist beside ways without it.

    pretrain, scratch, …        trained afresh on the study's tasks, as often as a finalist
    nearest_mean, ridge, …      trivial predictors (`service.judgement.trivial`)

Differences are paired by task and have the winner's error rates.  Each is an answer by itself: of
k ways that are all as good as the winner, one is found worse with a chance of up to k times 2.5 %.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from metaopt.estimation.limits import interval
from metaopt.goals import Goals
from service.judgement.estimates import Contender, loss_of
from service.wire.spec.compare import is_way_without
from service.wire.views.judged import Estimate
from service.wire.views.result import Comparison, Standing, TrivialReference, WayWithout


class Way(NamedTuple):
    """Something that was trained beside the finalists, and what is told of it."""

    fresh: Contender
    view: Comparison


def ways_without(
    names: Sequence[str],
    trained: Mapping[str, Way],
    trivial: TrivialReference | None,
    goals: Goals,
) -> list[WayWithout]:
    """A row for each way without meta-learning.

    Args:
        names: What the spec compares with, in its order.
        trained: What of that was trained, by name.
        trivial: Of all trivial predictors; what could not be scored has no row.
        goals: Of the study.
    """
    untrained = {each.name: each for each in trivial.predictors} if trivial else {}
    rows = []
    for name in filter(is_way_without, names):
        if name in trained:
            rows.append(_trained(name, trained[name], goals))
        elif name in untrained:
            known = untrained[name]
            rows.append(
                WayWithout(
                    name=name,
                    trained=False,
                    sealed=known.sealed,
                    difference=known.difference,
                    standing=known.standing,
                    device_seconds=0.0,
                )
            )
    return rows


def _trained(name: str, way: Way, goals: Goals) -> WayWithout:
    fresh, view = way
    sealed = Estimate.of(interval(loss_of(fresh)).scores(goals)) if fresh.completed else None
    return WayWithout(
        name=name,
        trained=True,
        sealed=sealed,
        difference=view.difference,
        standing=None if view.difference is None else _standing(view.difference, goals),
        device_seconds=view.cost.fresh_device_seconds,
    )


def _standing(difference: Estimate, goals: Goals) -> Standing:
    losses = goals.loss(difference.low), goals.loss(difference.high)
    if max(losses) < 0.0:
        return "better"
    return "worse" if min(losses) > 0.0 else "not_told_apart"
