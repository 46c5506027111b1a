"""Trials and their attempts.

    queued ──begin──▶ running ──end──▶ completed | pruned | diverged | failed | cancelled
       ▲                 │
       └────requeue──────┘   evicted, or its worker died; the attempt keeps why

Each try at running a trial has a row of its own, written before the trial is handed to a worker.
The caller has fenced its transaction (`service.db.dispatcher`), so it is the only writer.  What a
step of the dispatcher changes is gathered and written at once (`service.db.bulk.writes`); here is
what is read, and what a new dispatcher does with the trials of an older one.

Transactions belong to the caller; nothing here commits.
"""

from collections import namedtuple
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from functools import cache
from typing import Any, NamedTuple

from sqlalchemy import Select, bindparam, func, select, text, update
from sqlalchemy.orm import Session

from service.db.roles import roles_where
from service.db.states import (
    TERMINAL_STUDIES,
    TERMINAL_TRIALS,
    TRIAL_TRANSITIONS,
    AttemptOutcome,
    TrialStatus,
)
from service.db.tables import OPEN, RUNNING, Attempt, Study, Trial

REPLACED = "the dispatcher that ran it was replaced"
# An index of some rows serves a query that says which in the same words: `text(OPEN)`.
_OPEN = [status for status in TrialStatus if status not in TERMINAL_TRIALS]
_LOSSES = [AttemptOutcome.LOST, AttemptOutcome.ERROR]


class IllegalTransition(Exception):
    """A trial cannot go from its status to the one asked for."""


class Attempted(NamedTuple):
    """An attempt at a trial: where it began, how it ended, and why."""

    number: int
    from_meta_iteration: int
    outcome: str
    cause: str | None


def trials_of(session: Session, study_id: str) -> Sequence[Trial]:
    """The study's trials by number."""
    query = select(Trial).where(Trial.study_id == study_id).order_by(Trial.trial_number)
    return session.scalars(query).all()


def rows_of(session: Session, study_id: str, columns: Iterable[str]) -> list[Any]:
    """These columns of the study's trials, by number, as named tuples.

    Quicker than whole trials are made, and than the values of a `Row` are found by their names.
    """
    names = tuple(columns)
    found = select(*(Trial.__table__.c[name] for name in names))  # of the table: no mapper's way
    query = found.where(Trial.study_id == study_id).order_by(Trial.trial_number)
    return list(map(_named(names)._make, session.execute(query)))


@cache
def _named(names: tuple[str, ...]) -> Any:
    return namedtuple("TrialColumns", names)


def attempts_of(session: Session, study_id: str) -> dict[str, list[Attempted]]:
    """Every attempt at the study's trials, by trial_id, each in its order."""
    columns = (getattr(Attempt, name) for name in Attempted._fields)
    query = (
        select(Attempt.trial_id, *columns)
        .join(Trial, Trial.trial_id == Attempt.trial_id)
        .where(Trial.study_id == study_id)
    )
    attempts: dict[str, list[Attempted]] = {}
    for trial_id, *row in session.execute(query):
        attempts.setdefault(trial_id, []).append(Attempted(*row))
    return {trial_id: sorted(some) for trial_id, some in attempts.items()}


def is_loss(attempt: Attempted) -> bool:
    """Whether the attempt ended with its worker's death or an error."""
    return attempt.outcome in _LOSSES and attempt.cause != REPLACED


def end_trial(
    session: Session,
    trial_id: str,
    status: TrialStatus,
    *,
    cause: str | None = None,
    diverged_at: int | None = None,
    keep_file: bool = False,
    now: datetime,
) -> None:
    """Give a trial its terminal status; unless told to keep it, its checkpoint is not needed."""
    trial = _get(session, trial_id)
    _move(trial, status)
    trial.cause, trial.diverged_at, trial.finished_at = cause, diverged_at, now
    if not keep_file:
        trial.checkpoint = trial.checkpoint_sha256 = None
    trial.previous_checkpoint = trial.previous_sha256 = trial.previous_meta_iteration = None


def requeue_trial(session: Session, trial_id: str) -> None:
    """Put a running trial back into the queue; it will resume from its checkpoint."""
    _move(_get(session, trial_id), TrialStatus.QUEUED)


def close_older_attempts(session: Session, epoch: int, *, now: datetime) -> int:
    """Requeue all that older dispatchers left running; return how many trials that were."""
    session.execute(
        update(Attempt)
        .where(text(RUNNING), Attempt.epoch < epoch)
        .values(outcome=AttemptOutcome.LOST, cause=REPLACED, ended_at=now)
        .execution_options(synchronize_session=False)
    )
    running = select(Trial).where(text(OPEN), Trial.status == TrialStatus.RUNNING)
    left = session.scalars(running).all()
    for trial in left:
        _move(trial, TrialStatus.QUEUED)
    return len(left)


def left_over(session: Session, loaded: Iterable[str]) -> Sequence[Trial]:
    """Return open trials of studies that have ended, but for the studies in `loaded`."""
    open_in = set().union(*(_studies_with(session, status) for status in _OPEN)) - set(loaded)
    if not open_in:
        return []
    query = (
        select(Trial)
        .join(Study, Study.study_id == Trial.study_id)
        .where(Trial.study_id.in_(open_in), Trial.status.in_(_OPEN))
        .where(Study.status.in_(TERMINAL_STUDIES))
    )
    return session.scalars(query).all()


def _studies_with(session: Session, status: TrialStatus) -> set[str]:
    """The studies that have open trials of a status: one look into the index for each of them."""
    return set(session.connection().scalars(_STUDIES_WITH, {"open_status": status}))


def _studies_with_open() -> Select[Any]:
    is_open = text(OPEN), Trial.status == bindparam("open_status")
    first = select(func.min(Trial.study_id).label("study_id")).where(*is_open)
    found = first.cte("found", recursive=True)
    following = (
        select(func.min(Trial.study_id))
        .where(*is_open, Trial.study_id > found.c.study_id)
        .scalar_subquery()
    )
    found = found.union_all(select(following).where(found.c.study_id.is_not(None)))
    return select(found.c.study_id).where(found.c.study_id.is_not(None))


_STUDIES_WITH = _studies_with_open()  # made once, since it is asked every few seconds


def branch_seconds(session: Session, study_ids: Collection[str]) -> dict[tuple[str, str], float]:
    """What the points of these studies have taken of devices, by study_id and branch."""
    place = Trial.study_id, Trial.branch
    query = select(*place, func.sum(Trial.device_seconds)).where(
        Trial.study_id.in_(study_ids), Trial.role.in_(roles_where(told_to_sampler=True))
    )
    return {(row[0], row[1]): row[2] for row in session.execute(query.group_by(*place))}


def device_seconds(session: Session, study_id: str, roles: Collection[str]) -> float:
    """Device seconds of the trials of these roles."""
    query = select(func.sum(Trial.device_seconds)).where(
        Trial.study_id == study_id, Trial.role.in_(roles)
    )
    return session.scalar(query) or 0.0


def count_trials(session: Session, study_id: str, role: str) -> dict[str, int]:
    """How many trials of the role have each status that occurs."""
    query = (
        select(Trial.status, func.count())
        .where(Trial.study_id == study_id, Trial.role == role)
        .group_by(Trial.status)
        .order_by(Trial.status)
    )
    return {status: count for status, count in session.execute(query)}


def _get(session: Session, trial_id: str) -> Trial:
    trial = session.get(Trial, trial_id)
    assert trial is not None
    return trial


def _move(trial: Trial, status: TrialStatus) -> None:
    if status not in TRIAL_TRANSITIONS[TrialStatus(trial.status)]:
        raise IllegalTransition(f"trial {trial.trial_id} cannot go from {trial.status} to {status}")
    trial.status = status
