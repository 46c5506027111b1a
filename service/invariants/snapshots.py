"""Snapshots: what had ended when one was taken must be the same at the end.

A file of lines, each a row and the digest of what it said: a snapshot adds those that have ended
since the one before.  Rows that are written once, such as reports, have ended at once.
"""

import hashlib
import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from sqlalchemy import Select, Table, select
from sqlalchemy.orm import Session

from service.db.states import TERMINAL_STUDIES, TERMINAL_TRIALS, AttemptOutcome
from service.db.tables import Ask, Attempt, Event, Report, Segment, Study, Trial
from service.events import EVENTS_CLEARED, SEGMENTS_CLEARED
from service.invariants.violation import Violation

# A study keeps the file of a trial until its own end, and a budget of the search may be changed.
_FILES = {"checkpoint", "checkpoint_sha256", "previous_checkpoint", "previous_sha256"}
_UNTOLD = {"mo_trials": _FILES, "mo_studies": {"version"}}
_ENDED: list[tuple[Any, Any]] = [
    (Study, Study.status.in_(TERMINAL_STUDIES)),
    (Trial, Trial.status.in_(TERMINAL_TRIALS)),
    (Attempt, Attempt.outcome != AttemptOutcome.RUNNING),
    (Report, None),
    (Ask, None),
    (Event, Event.kind != EVENTS_CLEARED),  # it stands for more and more, with another id
    (Segment, None),
]


class Snapshots:
    """A file to which snapshots are added.

    Args:
        path: Of the file; it may be there already.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._known = set(_read(path)) if path.exists() else set()

    def take(self, session: Session) -> int:
        """Add every row that has ended by now; return how many there are in all."""
        with self._path.open("a", encoding="utf-8") as file:
            for key, digest in ended_rows(session):
                if key not in self._known:
                    self._known.add(key)
                    file.write(json.dumps([key, digest]) + "\n")
        return len(self._known)


def changed(session: Session, path: Path) -> Iterator[Violation]:
    """Name each row that had ended in a snapshot, and is another now, or gone."""
    before, now = _read(path), dict(ended_rows(session))
    cleared = _cleared(session)
    for key, digest in before.items():
        if key not in now and key.startswith(cleared):
            continue
        if now.get(key) != digest:
            what = "has changed" if key in now else "is gone, or goes on,"
            yield Violation("immutable", key, f"{what} after it had ended")


def _cleared(session: Session) -> tuple[str, ...]:
    """How names of rows begin that may have gone by a rule of retention."""
    tables = {EVENTS_CLEARED: Event.__tablename__, SEGMENTS_CLEARED: Segment.__tablename__}
    told = select(Event.kind).where(Event.kind.in_(tables)).distinct()
    return tuple(f"{tables[kind]} " for kind in session.scalars(told))


def ended_rows(session: Session) -> Iterator[tuple[str, str]]:
    """Yield the name of each row that will not change any more, and a digest of it."""
    for name, keys, query in _queries():
        for row in session.execute(query):
            said = row._mapping
            yield f"{name} {'/'.join(str(said[key]) for key in keys)}", _digest(said)


@cache
def _queries() -> list[tuple[str, list[str], Select[Any]]]:
    """Of each table its name, the columns that name a row, and what reads those that have ended."""
    found = []
    for entity, condition in _ENDED:
        table: Table = entity.__table__
        columns = [c for c in table.columns if c.name not in _UNTOLD.get(table.name, ())]
        query = select(*columns).execution_options(yield_per=1000)
        if condition is not None:
            query = query.where(condition)
        keys = [column.name for column in table.primary_key.columns]
        found.append((table.name, keys, query))
    return found


def _digest(said: Any) -> str:
    text = json.dumps(dict(said), sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:24]


def _read(path: Path) -> dict[str, str]:
    return dict(json.loads(line) for line in path.read_text(encoding="utf-8").splitlines())
