"""Rungs: how long a segment is, and who is judged at its end.  Pure functions.

A segment ends at the first rung that any of its lanes reaches, or earlier, so that a kill loses
about `segment_seconds` of work and no more.
"""

import math
from collections.abc import Iterable, Sequence

from service.wire.spec.study import StudySpec

FIRST_SEGMENT = 10  # meta-iterations, before anything is known about their cost


def next_rung(age: int, rungs: Sequence[int]) -> int:
    """The first rung after `age`."""
    return next(rung for rung in rungs if rung > age)


def kept_share(spec: StudySpec) -> float:
    """The share of trials that goes on from a rung, about; all where the rule cannot say."""
    try:
        share = float(spec.pruning.rule().kept_share(spec.pruning.options()))
    except Exception:  # a rule may be anybody's
        return 1.0
    return share if 0.0 <= share <= 1.0 else 1.0


def expected_iterations(
    age: int, rungs: Sequence[int], survival: float, *, until: int | None = None
) -> float:
    """The meta-iterations that a trial still trains if a share `survival` goes on at rungs.

    Args:
        age: Meta-iterations that it has behind it.
        until: Up to which meta-iteration to count; None is to the end.
    """
    expected, share = 0.0, 1.0
    for rung in rungs:
        if rung > age:
            end = rung if until is None else min(rung, until)
            expected += share * max(0, end - age)
            age, share = rung, share * survival
    return expected


def segment_length(
    ages: Iterable[int],
    rungs: Sequence[int],
    *,
    seconds: Sequence[float],
    segment_seconds: float,
) -> int:
    """How many meta-iterations to train.

    Args:
        ages: Meta-iterations that each lane has behind it.
        rungs: Where they are judged.
        seconds: Measured per meta-iteration in the latest segments.  The least of them counts:
            the others may have compiled a program on the way.
        segment_seconds: Aimed length.
    """
    distance = min(next_rung(age, rungs) - age for age in ages)
    if not seconds:
        return min(distance, FIRST_SEGMENT)
    affordable = math.floor(segment_seconds / max(min(seconds), 1e-9))
    return max(1, min(distance, affordable))
