"""Queries of the mirror: what changed in our tables, and what Optuna's hold.

How much is in Optuna's tables is asked by plain SQL: it has no call for that.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, column, func, or_, select, table
from sqlalchemy.orm import Session

from service.db.events import LATE_EVENTS
from service.db.roles import roles_where
from service.db.states import StudyStatus
from service.db.tables import Event, Report, Study, Trial

MOST_NUMBERS = 10_000  # in a query: SQLite takes some 30,000 values, PostgreSQL 65,535

_optuna_studies = table("studies", column("study_id"), column("study_name"))
_optuna_attributes = table(
    "study_user_attributes", column("study_id"), column("key"), column("value_json")
)
_optuna_trials = table("trials", column("trial_id"))


class Fingerprint(NamedTuple):
    """Two equal ones: nothing happened in between."""

    last_event: int
    late_events: int
    optuna_studies: int
    optuna_last_trial: int


class Copied(NamedTuple):
    """A study of Optuna's tables."""

    optuna_id: int
    name: str
    attributes: dict[str, Any]


class Scored(NamedTuple):
    """A score of a trial at a meta-iteration."""

    trial_id: str
    meta_iteration: int
    score: float


def fingerprint(session: Session) -> Fingerprint:
    """The state of both sides, in one query that looks at few rows."""
    last_event = select(func.coalesce(func.max(Event.event_id), 0)).scalar_subquery()
    late = select(func.count()).where(Event.event_id > last_event - LATE_EVENTS)
    row = session.execute(
        select(
            last_event,
            late.scalar_subquery(),
            select(func.count()).select_from(_optuna_studies).scalar_subquery(),
            select(func.coalesce(func.max(_optuna_trials.c.trial_id), 0)).scalar_subquery(),
        )
    ).one()
    return Fingerprint(*row)


_HAS_BEGUN = or_(
    Study.started_at.is_not(None),
    Study.status.in_((StudyStatus.RUNNING, StudyStatus.COMPLETED, StudyStatus.FAILED)),
)
"""There is nothing to show of others: they have no trial, and thousands may be in the queue."""


def all_studies(session: Session) -> Sequence[str]:
    """Every study that has begun, oldest first."""
    return _ids(session)


def studies_with_events_after(session: Session, event_id: int) -> Sequence[str]:
    """The studies that have begun and to which something happened after an event, or late."""
    touched = select(Event.study_id).where(Event.event_id > event_id - LATE_EVENTS)
    return _ids(session, Study.study_id.in_(touched))


def _ids(session: Session, *where: ColumnElement[bool]) -> Sequence[str]:
    query = select(Study.study_id).where(_HAS_BEGUN, *where)
    return session.scalars(query.order_by(Study.created_at, Study.study_id)).all()


def read_studies(session: Session, study_ids: Sequence[str]) -> Sequence[Study]:
    """These studies, oldest first."""
    query = select(Study).where(Study.study_id.in_(study_ids))
    return session.scalars(query.order_by(Study.created_at, Study.study_id)).all()


def copies(session: Session) -> Iterator[Copied]:
    """Optuna's studies with their user attributes.

    Its own call for that reads all that the dashboard shows of each, too: notes and figures.
    """
    study, attribute = _optuna_studies.c, _optuna_attributes.c
    query = (
        select(study.study_id, study.study_name, attribute.key, attribute.value_json)
        .outerjoin_from(_optuna_studies, _optuna_attributes, study.study_id == attribute.study_id)
        .order_by(study.study_id)
    )
    return _by_study(session.execute(query))


def _by_study(rows: Iterable[Any]) -> Iterator[Copied]:
    for optuna_id, some in groupby(rows, key=lambda row: row.study_id):
        of_one = list(some)
        attributes = {row.key: json.loads(row.value_json) for row in of_one if row.key is not None}
        yield Copied(optuna_id, of_one[0].study_name, attributes)


def trials_told_of(session: Session, study_id: str, event_id: int) -> Sequence[int] | None:
    """The numbers of the study's trials that events after one are about, late ones included.

    None if they are more than `MOST_NUMBERS`: look at all trials.
    """
    number = Event.data["trial_number"].as_integer()
    query = select(number).where(
        Event.study_id == study_id, Event.event_id > event_id - LATE_EVENTS, number.is_not(None)
    )
    numbers = session.scalars(query.distinct().limit(MOST_NUMBERS + 1)).all()
    return numbers if len(numbers) <= MOST_NUMBERS else None


def search_trials(
    session: Session, study_id: str, branch: str, first: int, numbers: Sequence[int] | None = None
) -> Sequence[Trial]:
    """The branch's search trials by number, from `first` on, or only those of some numbers."""
    query = select(Trial).where(*_searched(study_id, branch, first, numbers))
    return session.scalars(query.order_by(Trial.trial_number)).all()


def search_scores(
    session: Session, study_id: str, branch: str, first: int, numbers: Sequence[int] | None = None
) -> Sequence[Scored]:
    """The scores of these trials, without their per-task vectors."""
    query = (
        select(Report.trial_id, Report.meta_iteration, Report.score)
        .join(Trial, Trial.trial_id == Report.trial_id)
        .where(*_searched(study_id, branch, first, numbers))
        .order_by(Trial.trial_number, Report.meta_iteration)
    )
    return [Scored(*row) for row in session.execute(query)]


def _searched(
    study_id: str, branch: str, first: int, numbers: Sequence[int] | None
) -> tuple[ColumnElement[bool], ...]:
    some = () if numbers is None else (Trial.trial_number.in_(numbers),)
    return (
        Trial.study_id == study_id,
        Trial.role.in_(roles_where(told_to_sampler=True)),
        Trial.branch == branch,
        Trial.trial_number >= first,
        *some,
    )
