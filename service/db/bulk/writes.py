"""Writes: what a step of the dispatcher writes, gathered, then written by a few statements.

    add, change, close_attempt ──▶ write    an INSERT for each table, an UPDATE for each kind of
                                            change, with the values of many rows

A segment is reported of all its lanes at once, and each of them changes rows of five tables.  As
objects of a session these cost more than all else that a trial costs.  What is gathered about one
trial is one change of its row, or a part of it if the row is new.

Transactions belong to the caller, who has fenced his (`service.db.dispatcher`).
"""

from collections.abc import Callable, Hashable, Iterable
from datetime import datetime
from functools import cache
from typing import Any, TypeVar

from sqlalchemy import Insert, Update, bindparam, insert, or_, update
from sqlalchemy.orm import Session

from service.db.states import TRIAL_TRANSITIONS, AttemptOutcome, TrialStatus
from service.db.tables import Ask, Attempt, Base, Event, Report, Segment, Trial
from service.db.trials import IllegalTransition

Row = dict[str, Any]
Columns = tuple[str, ...]
Kind = TypeVar("Kind", bound=Hashable)

_TABLES = (Trial, Attempt, Report, Segment, Ask, Event)  # parents first


class Writes:
    """What one transaction writes."""

    def __init__(self) -> None:
        self._added: dict[type[Base], list[Row]] = {table: [] for table in _TABLES}
        self._new: dict[str, Row] = {}  # rows of trials among them, by trial_id
        self._changed: dict[str, Row] = {}
        self._closed: list[Row] = []

    def add(self, table: type[Base], row: Row) -> None:
        """Add a row; a column that it does not name has its default."""
        self._added[table].append(row)
        if table is Trial:
            self._new[row["trial_id"]] = row

    def add_all(self, table: type[Base], rows: Iterable[Row]) -> None:
        """Add several."""
        for row in rows:
            self.add(table, row)

    def change(self, trial_id: str, **values: Any) -> None:
        """Change columns of a trial; a `status` must be one that may follow the present one.

        `more_seconds` are added to its device seconds.
        """
        row = self._new.get(trial_id)
        if row is None:
            row = self._changed.setdefault(trial_id, {"of_trial": trial_id})
        row.update(values)

    def close_attempt(
        self, trial_id: str, number: int, outcome: AttemptOutcome, cause: str | None, now: datetime
    ) -> None:
        """Say how an attempt ended."""
        ended = {"outcome": outcome, "cause": cause, "ended_at": now}
        self._closed.append({"of_trial": trial_id, "of_number": number, **ended})

    def write(self, session: Session) -> None:
        """Write it.

        Raises:
            IllegalTransition: A trial has a status that its new one may not follow.
        """
        session.flush()
        connection = session.connection()
        for table, rows in self._added.items():
            for same in _alike(rows, tuple).values():
                connection.execute(_inserting(table), same)
        for (columns, status), same in _alike(self._changed.values(), _change_of).items():
            if connection.execute(_changing(columns, status), same).rowcount != len(same):
                of = ", ".join(row["of_trial"] for row in same)
                raise IllegalTransition(f"one of the trials {of} cannot become {status}")
        if self._closed:
            connection.execute(_closing(), self._closed)


def _alike(rows: Iterable[Row], kind_of: Callable[[Row], Kind]) -> dict[Kind, list[Row]]:
    kinds: dict[Kind, list[Row]] = {}
    for row in rows:
        kinds.setdefault(kind_of(row), []).append(row)
    return kinds


def _change_of(row: Row) -> tuple[Columns, TrialStatus | None]:
    return tuple(row), row.get("status")


@cache
def _inserting(table: type[Base]) -> Insert:
    return insert(table.__table__)  # type: ignore[arg-type]


@cache
def _changing(columns: Columns, status: TrialStatus | None) -> Update:
    """An update of these columns, which are named by the rows that it is executed with."""
    changing = update(Trial.__table__).where(Trial.trial_id == bindparam("of_trial"))  # type: ignore[arg-type]
    if status is not None:
        before = [one for one, after in TRIAL_TRANSITIONS.items() if status in after]
        changing = changing.where(or_(*(Trial.status == one for one in before)))
    if "more_seconds" in columns:
        more = Trial.device_seconds + bindparam("more_seconds")
        changing = changing.values(device_seconds=more)
    return changing


@cache
def _closing() -> Update:
    of_attempt = Attempt.trial_id == bindparam("of_trial"), Attempt.number == bindparam("of_number")
    return update(Attempt.__table__).where(*of_attempt)  # type: ignore[arg-type]
