"""A study's timeline from the rows of its segments.  Pure functions.

    ordered_at      begun                                                             reported
    ──────┬───────────┬───────┬──────────┬──────────────────┬────────────┬───────────────┬──────
    between or start  │ other │ sampling │ eager | compiled │ evaluation │    between
                      └──────── `seconds` of the segment ────────────────┘

How long each part took is measured; in which order they came within a segment is only nearly so.
Of long studies several segments are shown together: those of one kind (role, branch, program), and
where kinds take turns more often than can be shown, those of several.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import groupby, pairwise
from math import ceil, inf

from service.db.segments import SegmentTimes
from service.wire.views.timeline import ACTIVITIES, Activity, SlotTimeline, Span, Timeline

MOST_GROUPS = 100  # of one kind, or of several: more cannot be told apart


def timeline(
    segments: Sequence[SegmentTimes],
    *,
    submitted_at: datetime,
    started_at: datetime | None,
    ended_at: datetime,
) -> Timeline:
    """The timeline of a study.

    Args:
        segments: By slot, in their order there.
        submitted_at, started_at: Of the study; not started it has no segments.
        ended_at: Until when: its end, or now.
    """

    def after(instant: datetime) -> float:
        return max(0.0, (instant - submitted_at).total_seconds())

    begin = after(started_at or ended_at)
    fresh = [after(segment.started_at) for segment in segments if segment.fresh]
    return Timeline(
        queued_seconds=begin,
        verdict_seconds=min(fresh, default=None),
        wall_seconds=after(ended_at),
        slots=[
            _slot(slot, [(segment, after(segment.ended_at)) for segment in own], begin)
            for slot, own in groupby(segments, key=lambda segment: segment.slot)
        ],
    )


def _slot(slot: str, segments: list[tuple[SegmentTimes, float]], begin: float) -> SlotTimeline:
    spans = [
        span
        for number, (first, own) in enumerate(_groups(segments, begin))
        for span in _spans(own, first, "between" if number else "start")
    ]
    seconds = dict.fromkeys(ACTIVITIES, 0.0)
    for span in spans:
        seconds[span.activity] += span.end - span.begin
    return SlotTimeline(
        slot=slot, seconds={name: took for name, took in seconds.items() if took > 0}, spans=spans
    )


def _groups(
    segments: list[tuple[SegmentTimes, float]], begin: float
) -> Iterator[tuple[float, list[tuple[SegmentTimes, float]]]]:
    """Segments that are shown together, with when the one before them ended.

    The first is by itself: only what comes before it is the start.
    """
    first, *others = segments
    yield begin, [first]
    begin = first[1]
    size = ceil(len(others) / MOST_GROUPS)
    alike = groupby(others, key=lambda pair: (pair[0].role, pair[0].branch, pair[0].program))
    several = [list(own) for _, own in alike]
    groups = [own[i : i + size] for own in several for i in range(0, len(own), size)]
    crowded = len(groups) > 2 * MOST_GROUPS
    shortest = (others[-1][1] - begin) / MOST_GROUPS if crowded else -inf
    together: list[tuple[SegmentTimes, float]] = []
    for group in groups:
        together += group
        end = group[-1][1]
        if end - begin >= shortest or group is groups[-1]:
            yield begin, together
            begin, together = end, []


def _spans(
    segments: list[tuple[SegmentTimes, float]], begin: float, before: Activity
) -> Iterator[Span]:
    end = segments[-1][1]
    seconds = _seconds([segment for segment, _ in segments])
    shares: dict[tuple[str, str], float] = defaultdict(float)
    for segment, _ in segments:
        shares[segment.role, segment.branch] += segment.seconds
    role, branch = max(shares, key=shares.__getitem__)
    # Clocks of two processes, and a report on its way: parts never stand before their slot's turn.
    idle = max(0.0, end - begin - sum(seconds.values()))
    edges = [begin, begin + idle]
    for took in seconds.values():
        edges.append(min(end, edges[-1] + took))
    for activity, (left, right) in zip((before, *seconds), pairwise(edges), strict=True):
        if right > left:
            yield Span(activity=activity, role=role, branch=branch, begin=left, end=right)


def _seconds(segments: Sequence[SegmentTimes]) -> dict[Activity, float]:
    """The parts of some segments together, in their order."""
    parts: tuple[Activity, ...] = (
        "compiling", "other", "sampling", "eager", "compiled", "evaluation",
    )  # fmt: skip
    seconds = dict.fromkeys(parts, 0.0)
    for segment in segments:
        if segment.program == "compiling":
            seconds["compiling"] += segment.seconds
            continue
        train, evaluation = segment.train_seconds, segment.evaluate_seconds
        sampling = train * (segment.sample_share or 0.0)
        seconds["other"] += max(0.0, segment.seconds - train - evaluation)
        seconds["sampling"] += sampling
        seconds["compiled" if segment.program == "compiled" else "eager"] += train - sampling
        seconds["evaluation"] += evaluation
    return seconds
