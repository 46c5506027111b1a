"""Drift: has the incumbent, trained and judged again with each run, moved for good?

An incumbent is one version of a baseline.  Nothing about it changes from run to run but seeds
and tasks, so its scores x_1, x_2, … scatter around one value for as long as data, software and
machines stay what they were.  With s_i the standard error of x_i:

    centre   c = mean of x_1 … x_n,  n = min(10, k − 2)        of the pair (k − 1, k), k >= 3
    moved    |x_k − c| > 1.96 √(s_k² + s_c²)                   one in twenty does by chance
    drift    x_(k−1) and x_k moved to the same side, and the mean of both lies outside
             c ± z_j √((s_(k−1)² + s_k²)/4 + s_c²),            z_j two-sided at level α_j,
             j = k − 2,   α_j = α · 10 / ((j + 9)(j + 10)),   Σ α_j = α = 0.01

So however many runs a version sees, it is said to drift without any cause with a chance of at
most 1 %.  More of that chance is spent on early pairs than on late ones, but not most of it: their
centre is known badly.  The centre is fixed after ten runs, or by the first drift, so that it does
not follow what it is to show.  A step of three standard errors of one run after the first ten is
found within eight runs in nine of ten histories (`tests/service/schedules/test_drift.py`).

Reference:
    Montgomery, Introduction to Statistical Quality Control: charts with estimated limits.
"""

import math
from collections.abc import Sequence
from statistics import NormalDist
from typing import Literal, NamedTuple

ALPHA = 0.01
CENTRE_POINTS = 10
LIMIT = NormalDist().inv_cdf(0.975)


class Score(NamedTuple):
    """A score and its standard error, >= 0."""

    value: float
    stderr: float


class Judgement(NamedTuple):
    """A score beside its centre: +1 or -1 where it moved up or down, and whether that is drift."""

    centre: Score | None
    moved: Literal[-1, 0, 1]
    drift: bool


def judge(scores: Sequence[Score]) -> list[Judgement]:
    """A judgement of each score of one incumbent, in the order of its runs."""
    judgements: list[Judgement] = []
    centre_points = CENTRE_POINTS
    for k in range(len(scores)):
        judgements.append(_judge_last(scores[: k + 1], centre_points))
        if judgements[-1].drift:
            centre_points = min(centre_points, k - 1)
    return judgements


def begins(judgements: Sequence[Judgement], k: int) -> bool:
    """Whether a drift is confirmed by score `k` and was not by the score before."""
    if not judgements[k].drift:
        return False
    before = judgements[k - 1]
    return not (before.drift and before.moved == judgements[k].moved)


def level(j: int) -> float:
    """α_j: the part of ALPHA that pair j >= 1 may spend."""
    return ALPHA * CENTRE_POINTS / ((j + CENTRE_POINTS - 1) * (j + CENTRE_POINTS))


def _judge_last(scores: Sequence[Score], centre_points: int) -> Judgement:
    pairs = len(scores) - 2
    if pairs < 1:
        return Judgement(None, 0, False)
    centre = _mean(scores[: min(centre_points, pairs)])
    before, last = (_moved(score, centre) for score in scores[-2:])
    outside = abs(_distance(_mean(scores[-2:]), centre)) > _limit(pairs)
    return Judgement(centre, last, last != 0 and before == last and outside)


def _moved(score: Score, centre: Score) -> Literal[-1, 0, 1]:
    distance = _distance(score, centre)
    return 0 if abs(distance) <= LIMIT else (1 if distance > 0 else -1)


def _distance(score: Score, centre: Score) -> float:
    """Standard errors of the difference that lie between the two."""
    difference, stderr = score.value - centre.value, math.hypot(score.stderr, centre.stderr)
    if stderr > 0:
        return difference / stderr
    return math.copysign(math.inf, difference) if difference else 0.0


def _limit(j: int) -> float:
    return NormalDist().inv_cdf(1 - level(j) / 2)


def _mean(scores: Sequence[Score]) -> Score:
    count = len(scores)
    return Score(
        sum(score.value for score in scores) / count,
        math.sqrt(sum(score.stderr**2 for score in scores)) / count,
    )
