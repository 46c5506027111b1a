"""The trivial reference: is the best finalist better than what learns nothing but the support set?

    better    than each of them, beyond the interval of the difference
    open      its score is better than that of each, and an interval leaves it open
    useless   its score is not: one of them does as well without any meta-learning

A difference is paired by task and has the winner's error rates.  Who is better than each of them is
better than the best of them, so nothing has to be allowed for their number.

Reference:
    Berger (1982), "Multiparameter hypothesis testing and acceptance sampling", Technometrics 24
    (the intersection–union test).
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from metaopt.estimation.intervals import ErrorRates, Interval
from metaopt.estimation.limits import interval
from metaopt.goals import Goals
from service.judgement.estimates import Contender, difference_of, loss_of, untrained
from service.wire.views.judged import Estimate
from service.wire.views.result import Standing, TrivialAnswer, TrivialPredictor, TrivialReference


class Winner(NamedTuple):
    """The best finalist, with a sealed score, and the error rates of its intervals."""

    fresh: Contender
    error_rates: ErrorRates


class _Beside(NamedTuple):
    name: str
    scores: Sequence[float]
    own: Contender
    gap: Interval
    """Loss of the winner minus that of the predictor."""


def trivial_reference(
    scores: Mapping[str, Sequence[float]], winner: Winner | None, goals: Goals
) -> TrivialReference | None:
    """How the winner stands to trivial predictors; None where one of both is not there.

    Args:
        scores: Of trivial predictors by sealed task, by their names.
        winner: On the same tasks.
        goals: Of the study.
    """
    if not scores or winner is None:
        return None
    beside = [_beside(name, by_task, winner, goals) for name, by_task in scores.items()]
    beside.sort(key=lambda each: (each.own.loss, each.name))
    return TrivialReference(
        answer=_answer([each.gap for each in beside]),
        predictors=[_predictor(each, goals) for each in beside],
    )


def _beside(name: str, scores: Sequence[float], winner: Winner, goals: Goals) -> _Beside:
    own = untrained(scores, goals)
    gap = interval(difference_of(winner.fresh, own), winner.error_rates)
    return _Beside(name, scores, own, gap)


def _answer(gaps: Sequence[Interval]) -> TrivialAnswer:
    if all(gap.high < 0.0 for gap in gaps):
        return "better"
    return "open" if all(gap.value < 0.0 for gap in gaps) else "useless"


def _predictor(beside: _Beside, goals: Goals) -> TrivialPredictor:
    return TrivialPredictor(
        name=beside.name,
        sealed=Estimate.of(interval(loss_of(beside.own)).scores(goals)),
        difference=Estimate.of(beside.gap.scores(goals)),
        standing=_standing(beside.gap),
        scores=list(beside.scores),
    )


def _standing(gap: Interval) -> Standing:
    if gap.high < 0.0:
        return "better"
    return "worse" if gap.low > 0.0 else "not_told_apart"
