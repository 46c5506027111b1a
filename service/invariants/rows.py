"""All that our tables hold of one study, read in one moment."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from service.db.roles import ROLES
from service.db.states import TERMINAL_STUDIES, TERMINAL_TRIALS
from service.db.tables import Ask, Attempt, Event, Report, Segment, Spending, Study, Trial


@dataclass
class StudyRows:
    """A study, and every row that names it.

    Args:
        trials: By number, rising.
        attempts, reports: By trial_id, in their order.
        asks: By branch, in their order.
    """

    study: Study
    trials: Sequence[Trial]
    asks: dict[str, list[Ask]]
    events: Sequence[Event]
    segments: Sequence[Segment]
    spending: Spending | None
    attempts: dict[str, list[Attempt]] = field(default_factory=lambda: defaultdict(list))
    reports: dict[str, list[Report]] = field(default_factory=lambda: defaultdict(list))

    @property
    def study_id(self) -> str:
        return self.study.study_id

    @property
    def ended(self) -> bool:
        """Whether the study's status is terminal."""
        return self.study.status in TERMINAL_STUDIES

    def is_cleared(self, kind: str) -> bool:
        """Whether rows have gone by a rule of retention, as an event of that kind tells."""
        return self.ended and any(event.kind == kind for event in self.events)

    def points(self) -> list[Trial]:
        """Its trials that a sampler asked for."""
        return [trial for trial in self.trials if ROLES[trial.role].told_to_sampler]

    def where(self, trial: Trial) -> str:
        """A trial, as violations name it."""
        return f"study {self.study_id}, trial {trial.trial_number}"


def read_study(session: Session, study_id: str) -> StudyRows | None:
    """The study's rows, or None if there is no such study."""
    study = session.get(Study, study_id, populate_existing=True)
    if study is None:
        return None
    trials = _all(session, Trial, study_id, Trial.trial_number)
    asks: dict[str, list[Ask]] = defaultdict(list)
    for ask in _all(session, Ask, study_id, Ask.branch, Ask.sequence):
        asks[ask.branch].append(ask)
    rows = StudyRows(
        study=study,
        trials=trials,
        asks=asks,
        events=_all(session, Event, study_id, Event.event_id),
        segments=_all(session, Segment, study_id, Segment.segment_id),
        spending=session.get(Spending, study_id, populate_existing=True),
    )
    own = select(Trial.trial_id).where(Trial.study_id == study_id)
    of_attempts = select(Attempt).where(Attempt.trial_id.in_(own)).order_by(Attempt.number)
    for attempt in session.scalars(of_attempts):
        rows.attempts[attempt.trial_id].append(attempt)
    of_reports = select(Report).where(Report.trial_id.in_(own)).order_by(Report.meta_iteration)
    for report in session.scalars(of_reports):
        rows.reports[report.trial_id].append(report)
    return rows


def study_ids(session: Session) -> list[str]:
    """Every study, oldest first."""
    return list(session.scalars(select(Study.study_id).order_by(Study.created_at, Study.study_id)))


def is_open(trial: Trial) -> bool:
    """Whether a trial has not ended."""
    return trial.status not in TERMINAL_TRIALS


def open_among(trials: Iterable[Trial]) -> list[Trial]:
    """Those that have not ended."""
    return [trial for trial in trials if is_open(trial)]


def _all(session: Session, table: Any, study_id: str, *order: Any) -> Sequence[Any]:
    return session.scalars(select(table).where(table.study_id == study_id).order_by(*order)).all()
