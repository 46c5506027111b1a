"""Planning: which fire times are due, which of them run, and what a run does now.

    planned_to ──fire times──▶ now        missed: more than GRACE before now

    catch_up   skip  no missed one runs
               once  the latest missed one runs, unless one is due on time
               all   every missed one runs, oldest first; at most MOST_FIRINGS
    overlap    skip | queue | cancel      while the study of the run before goes on

Times of day that a change of clocks leaves out or repeats are `cronsim`'s affair, which does as
Debian's cron: `30 2 * * *` fires once on such days too, `*/15 * * * *` every 15 minutes of real
time.  Everything handed out is UTC.
"""

import hashlib
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import NamedTuple
from zoneinfo import ZoneInfo

from cronsim import CronSim

from metaopt.keys import key
from service.db.states import CatchUp, Overlap
from service.wire.spec.study import StudySpec
from service.wire.words.instants import stamp

GRACE = timedelta(seconds=60)
MOST_FIRINGS = 100
MOST_WAITING = 100
LONGEST_NAME = 200
_SPANS = tuple(timedelta(minutes=m) for m in (MOST_FIRINGS, 1440, 14_400, 144_000, 1_440_000))


class Firing(NamedTuple):
    """A fire time that is due; with a `skipped` reason it does not run."""

    fire_at: datetime
    skipped: str | None = None


class Decision(StrEnum):
    """What a run that waits does now."""

    SUBMIT = "submit"
    WAIT = "wait"
    SKIP = "skip"
    REPLACE = "replace"


def fire_times(cron: str, time_zone: str, after: datetime) -> Iterator[datetime]:
    """Yield the fire times later than `after`, rising, in UTC."""
    for local in CronSim(cron, after.astimezone(ZoneInfo(time_zone))):
        instant = local.astimezone(UTC)
        if instant > after:  # within a repeated hour cronsim begins with its first pass
            yield instant


def next_fire(cron: str, time_zone: str, after: datetime) -> datetime | None:
    """The first fire time later than `after`, or None if there is none in 50 years."""
    return next(fire_times(cron, time_zone, after), None)


def planned(planned_to: datetime, now: datetime) -> datetime:
    """Up to when fire times are planned: `planned_to`, or `now` where the clock was set back since.

    None fires twice then: each that fired has its row.
    """
    return now if planned_to - now > GRACE else planned_to


def due(
    cron: str, time_zone: str, after: datetime, now: datetime, catch_up: CatchUp
) -> list[Firing]:
    """The newest fire times t with after < t <= now, oldest first, at most MOST_FIRINGS.

    If there are more, the oldest that is returned says so and does not run.
    """
    times = _newest_times(cron, time_zone, after, now)
    dropped = len(times) > MOST_FIRINGS
    firings = _chosen(times[-MOST_FIRINGS:], now, catch_up)
    if dropped:
        reason = "missed, and so were fire times before it, which are not listed"
        firings[0] = Firing(firings[0].fire_at, reason)
    return firings


def decide(overlap: Overlap, *, busy: bool, waiting: int) -> Decision:
    """Whether a run is submitted now, replaces the one before, waits or is skipped.

    Args:
        busy: Whether the study of a run before goes on.
        waiting: How many older runs wait.
    """
    if not busy and not waiting:
        return Decision.SUBMIT
    if overlap == Overlap.CANCEL:
        return Decision.REPLACE
    if overlap == Overlap.SKIP or waiting >= MOST_WAITING:
        return Decision.SKIP
    return Decision.WAIT


def run_spec(spec: StudySpec, schedule_id: str, fire_at: datetime, *, fresh: bool) -> StudySpec:
    """The spec of one run: named by its fire time, with a seed of its own if `fresh`."""
    instant = stamp(fire_at)
    name = f"{spec.name[: LONGEST_NAME - len(instant) - 1]} {instant}"
    seed = key("schedule", schedule_id, instant) % 2**53 if fresh else spec.seed
    return spec.model_copy(update={"name": name, "seed": seed})


def run_study_id(schedule_id: str, fire_at: datetime) -> str:
    """The id that the study of a run has: the same whoever submits it."""
    text = f"{schedule_id} {stamp(fire_at)}"
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def _newest_times(cron: str, time_zone: str, after: datetime, now: datetime) -> list[datetime]:
    """The due times, or of very many more than MOST_FIRINGS of the newest."""
    times: list[datetime] = []
    for span in (*_SPANS, now - after):
        begin = max(after, now - span)
        times = []
        for instant in fire_times(cron, time_zone, begin):
            if instant > now:
                break
            times.append(instant)
        if begin == after or len(times) > MOST_FIRINGS:
            break
    return times


def _chosen(times: Sequence[datetime], now: datetime, catch_up: CatchUp) -> list[Firing]:
    missed = [instant for instant in times if now - instant > GRACE]
    on_time = times[len(missed) :]
    caught_up: Sequence[datetime] = {
        CatchUp.SKIP: (),
        CatchUp.ONCE: missed[-1:] if not on_time else (),
        CatchUp.ALL: missed,
    }[catch_up]
    reason = f"missed: no dispatcher ran (catch_up: {catch_up})"
    return [
        *(Firing(instant, None if instant in caught_up else reason) for instant in missed),
        *(Firing(instant) for instant in on_time),
    ]
