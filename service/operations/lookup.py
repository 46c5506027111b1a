"""Looking: studies, trials, reports, events and results as the API shows them."""

import re
from collections.abc import Sequence
from typing import Any, NamedTuple

from sqlalchemy.orm import Session

from service.db import asks, reports, studies
from service.db.events import events_after
from service.db.states import TERMINAL_STUDIES, StudyStatus, TrialStatus
from service.db.tables import Event, Report, Study, Trial
from service.db.weights import KeptWeights, find_weights
from service.errors import (
    FieldError,
    InvalidRequest,
    ResultImpossible,
    ResultNotReady,
    StudyNotFound,
    TrialNotFound,
    WeightsNotFound,
)
from service.operations import pages
from service.operations.views import ask_view, report_view, study_views, trial_view
from service.plugins.stored import spec_of
from service.wire.parsing.plain_data import show
from service.wire.views.studies import AskPage, ReportPage, StudyPage, StudyView, TrialPage


def get_study(session: Session, study_id: str, *, fresh: bool = False) -> Study:
    """The study's row; with `fresh`, locked until the transaction ends.

    Raises:
        StudyNotFound: There is none, or the text is no id at all.
    """
    row = None
    if re.fullmatch("[0-9a-f]{32}", study_id):
        row = (
            session.get(Study, study_id, with_for_update=True)
            if fresh
            else studies.find_study(session, study_id)
        )
    if row is None:
        raise StudyNotFound("there is no study of this id")
    return row


def show_study(session: Session, study_id: str) -> StudyView:
    """The study."""
    return study_views(session, [get_study(session, study_id)])[0]


def list_studies(
    session: Session, *, status: StudyStatus | None, cursor: str | None, limit: int
) -> StudyPage:
    """A page of studies, newest first."""
    before = pages.decode_position(cursor) if cursor else None
    rows = studies.studies_before(session, before, status=status, limit=limit + 1)
    page, last = pages.split_page(rows, limit)
    position = last and pages.Position(last.created_at, last.study_id)
    return StudyPage(
        items=study_views(session, page),
        next_cursor=pages.encode_position(position) if position else None,
    )


def list_trials(
    session: Session,
    study_id: str,
    *,
    status: TrialStatus | None,
    role: str | None,
    cursor: str | None,
    limit: int,
) -> TrialPage:
    """A page of the study's trials by number."""
    get_study(session, study_id)
    after = pages.decode_number(cursor) if cursor else None
    rows = studies.trials_after(session, study_id, after, status=status, role=role, limit=limit + 1)
    page, last = pages.split_page(rows, limit)
    return TrialPage(
        items=[trial_view(row) for row in page],
        next_cursor=pages.encode_number(last.trial_number) if last else None,
    )


def list_reports(
    session: Session,
    study_id: str,
    trial_number: int,
    *,
    with_scores: bool,
    cursor: str | None,
    limit: int,
) -> ReportPage:
    """A page of a trial's reports by meta-iteration."""
    trial = _get_trial(session, study_id, trial_number)
    after = pages.decode_number(cursor) if cursor else None
    rows: Sequence[Report] = studies.reports_after(session, trial.trial_id, after, limit=limit + 1)
    page, last = pages.split_page(rows, limit)
    return ReportPage(
        items=[report_view(row, with_scores=with_scores) for row in page],
        next_cursor=pages.encode_number(last.meta_iteration) if last else None,
    )


def list_asks(
    session: Session, study_id: str, *, branch: str, cursor: str | None, limit: int
) -> AskPage:
    """A page of the branch's log in its order.

    Raises:
        InvalidRequest: The study has no such branch.
    """
    spec = spec_of(get_study(session, study_id))
    names = [candidate.name for candidate in spec.branches]
    if branch not in names:
        rule = f"must be a branch of the study ({', '.join(names)}), got {show(branch)}"
        raise InvalidRequest(f"branch: {rule}", [FieldError("query.branch", rule)])
    after = pages.decode_number(cursor) if cursor else None
    rows = asks.asks_after(session, study_id, branch, after, limit=limit + 1)
    page, last = pages.split_page(rows, limit)
    scores = reports.scores_by_trial(session, study_id, {row.trial_number for row in page})
    return AskPage(
        items=[ask_view(row, scores.get(row.trial_number, {})) for row in page],
        next_cursor=pages.encode_number(last.sequence) if last else None,
    )


def get_result(session: Session, study_id: str) -> dict[str, Any]:
    """The study's verdict.

    Raises:
        ResultNotReady: The study is still at work.
        ResultImpossible: It failed or was cancelled; says why.
    """
    study = get_study(session, study_id)
    if study.result is not None:
        return study.result
    if study.status in TERMINAL_STUDIES:
        reason = study.error or "it ended before a verdict"
        raise ResultImpossible(f"the study is {study.status} and has no result: {reason}")
    raise ResultNotReady(f"the study is {study.status}; its result comes when it is completed")


def get_weights(session: Session, study_id: str) -> KeptWeights:
    """The model file of the study's winner.

    Raises:
        ResultNotReady, ResultImpossible: as `get_result`.
        WeightsNotFound: The study is from before winners' weights were kept.
    """
    weights = find_weights(session, get_result(session, study_id).get("weights_sha256"))
    if weights is None:
        raise WeightsNotFound(
            "no weights were kept of this study's winner: `metaopt evaluate` trains it again"
        )
    return weights


class Glance(NamedTuple):
    """What an event stream has to send now, whether that is all so far, and all there will be."""

    events: Sequence[Event]
    whole: bool
    ended: bool


def glance(session: Session, study_id: str, after: int, *, limit: int = 500) -> Glance:
    """The study's events after an id, the first ones if they are more than a limit.

    The status is read before the events: what ended the study wrote both in one transaction,
    so an ended study's last event is among those read after it.
    """
    ended = get_study(session, study_id).status in TERMINAL_STUDIES
    events = events_after(session, study_id, after, limit=limit + 1)
    whole = len(events) <= limit
    return Glance(events[:limit], whole, ended and whole)


def _get_trial(session: Session, study_id: str, trial_number: int) -> Trial:
    get_study(session, study_id)
    trial = studies.find_trial(session, study_id, trial_number)
    if trial is None:
        raise TrialNotFound(f"the study has no trial {trial_number}")
    return trial
