"""Clearing: one pass over all that may go, in pieces that nobody has to wait for.

    look (read) ──▶ is there any? ──▶ a transaction of at most PIECE rows ──▶ again

Whoever iterates decides how long to rest between two pieces.  Two may be at it at once, and one
that is killed has cleared whole pieces: each leaves what the rules allow.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Engine

from service.db import retention as rows
from service.db.engine import reading, transaction
from service.retention.files import Directories, doomed_programs, is_unused, long_logs, shorten
from service.retention.rules import Keep, OfStudies, by_row, by_study

PIECE = 500
STUDIES = 100


class Cleared(NamedTuple):
    """What a piece cleared: rows, or bytes of files."""

    what: str
    amount: int


def clear(engine: Engine, directories: Directories, keep: Keep, now: datetime) -> Iterator[Cleared]:
    """Clear all that may go, piece by piece.

    Args:
        now: The time, UTC-aware.

    Raises:
        sqlalchemy.exc.DBAPIError: The database failed.
    """
    for what, (span, rule) in by_study(keep).items():
        if span is not None:
            yield from _clear_studies(engine, what, rule, now - span, now)
    for what, (span, old_before) in by_row(keep).items():
        if span is not None:
            yield from _clear_rows(engine, what, old_before(now - span))
    for path, size in doomed_programs(directories.programs, keep.programs_bytes, now):
        if is_unused(path, now):  # still: a worker may have begun to use it since
            path.unlink(missing_ok=True)
        yield Cleared("bytes of programs", size)
    for path, size in long_logs(directories.logs, keep.log_bytes):
        shorten(path)
        yield Cleared("bytes of logs", size)


def count(engine: Engine, directories: Directories, keep: Keep, now: datetime) -> dict[str, int]:
    """How much of what may go; nothing is changed."""
    found: dict[str, int] = {}
    with reading(engine) as session:
        for what, (span, rule) in by_study(keep).items():
            found[what] = 0 if span is None else rule.total(session, now - span)
        for what, (span, old_before) in by_row(keep).items():
            old = old_before(now - (span or now - now))
            found[what] = 0 if span is None else rows.count_old(session, old)
    programs = doomed_programs(directories.programs, keep.programs_bytes, now)
    found["bytes of programs"] = sum(size for _, size in programs)
    logs = long_logs(directories.logs, keep.log_bytes)
    found["bytes of logs"] = sum(size for _, size in logs)
    return found


def _clear_studies(
    engine: Engine, what: str, rule: OfStudies, before: datetime, now: datetime
) -> Iterator[Cleared]:
    place: rows.Place | None = None
    while True:
        with reading(engine) as session:
            found = rule.find(session, before, place, limit=STUDIES)
        if not found:
            return
        for place in found:
            gone = PIECE
            while gone == PIECE:
                with transaction(engine) as session:
                    gone = rule.clear(session, place[1], limit=PIECE, now=now)
                yield Cleared(what, gone)


def _clear_rows(engine: Engine, what: str, old: rows.Old) -> Iterator[Cleared]:
    gone = PIECE
    while gone == PIECE:
        with reading(engine) as session:
            if not rows.are_any(session, old):
                return
        with transaction(engine) as session:
            gone = rows.delete_old(session, old, limit=PIECE)
        yield Cleared(what, gone)
