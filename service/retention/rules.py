"""The rules: how long what is kept, all of them in one place (docs/retention.md).

What a study found (its row, trials, attempts, reports, log of asks, verdict and the winner's model)
is under no rule: it is never deleted by age.  Nor is the audit log.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy.orm import Session

from service.db import retention as rows
from service.db.retention import Old, Place


class Keep(NamedTuple):
    """For how long, or how much; None is for ever.

    Args:
        events, segments: After the end of their study.
        deliveries: To webhooks, once they are over.
        runs: Of schedules, that made no study.
        idempotency: At least a day.
        programs_bytes: Of all compiled programs together.
        log_bytes: Of each log of a worker, and as much again of what was before.
    """

    events: timedelta | None = timedelta(days=90)
    segments: timedelta | None = timedelta(days=365)
    deliveries: timedelta | None = timedelta(days=90)
    runs: timedelta | None = timedelta(days=365)
    idempotency: timedelta | None = timedelta(days=30)
    programs_bytes: int | None = 10 * 2**30
    log_bytes: int | None = 16 * 2**20

    @classmethod
    def of(cls, *, programs_bytes: int, log_bytes: int, **days: float) -> "Keep":
        """As settings say it: spans in days, by name with `_days`; 0 is for ever."""
        spans = {
            name.removesuffix("_days"): timedelta(days=length) if length else None
            for name, length in days.items()
        }
        return cls(**spans, programs_bytes=programs_bytes or None, log_bytes=log_bytes or None)

    def shortest(self) -> timedelta | None:
        """The shortest span."""
        spans = self.events, self.segments, self.deliveries, self.runs, self.idempotency
        return min((span for span in spans if span is not None), default=None)


class OfStudies(NamedTuple):
    """A rule about rows of studies that have ended.

    Args:
        find: (session, ended before, after which, limit) -> studies that have such rows.
        clear: Lets some of a study's go.
        total: (session, ended before) -> how many rows may go.
    """

    find: Callable[..., list[Place]]
    clear: Callable[..., int]
    total: Callable[[Session, datetime], int]


def by_study(keep: Keep) -> dict[str, tuple[timedelta | None, OfStudies]]:
    """The rules that go study by study, by the name of what they clear."""
    events = OfStudies(rows.studies_with_events, rows.clear_events, rows.count_events)
    segments = OfStudies(rows.studies_with_segments, rows.clear_segments, rows.count_segments)
    return {"events": (keep.events, events), "segments": (keep.segments, segments)}


def by_row(keep: Keep) -> dict[str, tuple[timedelta | None, Callable[[datetime], Old]]]:
    """The rules that go row by row, by the name of what they clear."""
    return {
        "deliveries": (keep.deliveries, rows.old_deliveries),
        "runs": (keep.runs, rows.old_runs),
        "idempotency keys": (keep.idempotency, rows.old_idempotency_keys),
        "sessions": (timedelta(), rows.old_sessions),
    }
