"""History: the completed studies of a schedule as points of its control chart."""

import math
from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from metaopt.estimation.intervals import Bounds, Error
from metaopt.estimation.limits import interval_of
from metaopt.goals import Goals
from service.schedules.drift import LIMIT, Judgement, Score, begins, judge
from service.wire.views.gate_report import GateReport
from service.wire.views.judged import Estimate
from service.wire.views.result import Finalist
from service.wire.views.schedules import ChartPoint, Direction


class Ended(NamedTuple):
    """What is read of a completed study: its gates and its best finalist, as they are stored."""

    fire_at: datetime
    study_id: str
    gates: dict[str, Any] | None
    finalist: dict[str, Any] | None


class Drift(NamedTuple):
    """A drift that a point confirms: what to tell of it."""

    point: ChartPoint
    before: float


def control_chart(ended: Sequence[Ended], goals: Goals) -> list[ChartPoint]:
    """A point for each study, in the order given, judged by version of the baseline."""
    points = [_point(ended_run) for ended_run in ended]
    for places in _fresh(points).values():
        judgements = judge([_score(points[k].incumbent) for k in places])
        for k, judgement in zip(places, judgements, strict=True):
            points[k] = _judged(points[k], judgement, goals)
    return points


def new_drifts(points: Sequence[ChartPoint]) -> list[Drift]:
    """The points by which a drift is confirmed for the first time."""
    drifts = []
    for places in _fresh(points).values():
        judgements = judge([_score(points[k].incumbent) for k in places])
        for i, k in enumerate(places):
            if begins(judgements, i):
                drifts.append(Drift(points[k], _score(points[places[i - 1]].incumbent).value))
    return drifts


def _fresh(points: Sequence[ChartPoint]) -> dict[str, list[int]]:
    """Return by version of the baseline the places of points that trained it again."""
    places: dict[str, list[int]] = defaultdict(list)
    for k, point in enumerate(points):
        if point.baseline and point.incumbent and not point.stored:
            places[point.baseline].append(k)
    return places


def _point(ended: Ended) -> ChartPoint:
    if ended.gates is None:
        return ChartPoint(
            fire_at=ended.fire_at,
            study_id=ended.study_id,
            candidate=_sealed(ended.finalist),
            incumbent=None,
            baseline=None,
            stored=False,
            passed=None,
            promoted=None,
        )
    gates = GateReport.model_validate(ended.gates)
    return ChartPoint(
        fire_at=ended.fire_at,
        study_id=ended.study_id,
        candidate=gates.candidate.score,
        incumbent=gates.baseline.score if gates.baseline else None,
        baseline=str(gates.baseline_name) if gates.baseline_name else None,
        stored=gates.baseline.stored if gates.baseline else False,
        passed=gates.passed,
        promoted=str(gates.promoted) if gates.promoted else None,
    )


def _sealed(finalist: dict[str, Any] | None) -> Estimate | None:
    sealed = Finalist.model_validate(finalist).sealed if finalist else None
    if sealed is None:
        return None
    stderr = sealed.stderr  # verdicts of older versions have none
    if stderr is None:
        stderr = (sealed.high - sealed.low) / (2 * LIMIT)
    return Estimate(value=sealed.score, stderr=stderr, low=sealed.low, high=sealed.high)


def _score(estimate: Estimate | None) -> Score:
    """The estimate with a standard error that is honest for few trainings.

    With few of them the 95 % interval is wider than ±1.96 stderr, since the noise of training is
    known badly; then half the interval counts.
    """
    assert estimate is not None
    stderr = max(estimate.stderr, (estimate.high - estimate.low) / (2 * LIMIT))
    return Score(estimate.value, stderr)


def _judged(point: ChartPoint, judgement: Judgement, goals: Goals) -> ChartPoint:
    moved: Direction | None = None
    if judgement.moved:
        moved = "better" if goals.loss(judgement.moved) < 0 else "worse"
    centre = _estimate(judgement.centre, goals) if judgement.centre else None
    return point.model_copy(update={"centre": centre, "moved": moved, "drift": judgement.drift})


def _estimate(score: Score, goals: Goals) -> Estimate:
    error, bounds = Error(score.stderr, math.inf), Bounds(*goals.possible)
    return Estimate.of(interval_of(score.value, [error], bounds=bounds))
