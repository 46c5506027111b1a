"""Trials of a study, their reports, and the log of what its samplers were asked and told."""

from typing import Annotated

from fastapi import APIRouter, Path, Query, Request, Response

from service.api.context import Ctx
from service.api.openapi import PROBLEMS
from service.api.references import StudyId
from service.api.studies import PREFIX, Cursor, Limit, link_next
from service.auth.policy import READ
from service.db.roles import TrialRole
from service.db.states import TrialStatus
from service.operations import lookup
from service.operations.pages import LARGEST_NUMBER
from service.wire.views.studies import AskPage, ReportPage, TrialPage

router = APIRouter(prefix=PREFIX, tags=["trials"], responses=PROBLEMS)


@router.get(
    "/{study_id}/trials", dependencies=READ, response_model=TrialPage, operation_id="list_trials"
)
def list_trials(
    request: Request,
    response: Response,
    study_id: StudyId,
    context: Ctx,
    status: TrialStatus | None = None,
    role: TrialRole | None = None,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> TrialPage:
    """Return the study's trials by number."""
    with context.reading() as session:
        page = lookup.list_trials(
            session, study_id, status=status, role=role, cursor=cursor, limit=limit
        )
    link_next(request, response, page.next_cursor)
    return page


@router.get(
    "/{study_id}/trials/{trial_number}/reports",
    dependencies=READ,
    response_model=ReportPage,
    operation_id="list_reports",
)
def list_reports(
    request: Request,
    response: Response,
    study_id: StudyId,
    trial_number: Annotated[int, Path(ge=0, le=LARGEST_NUMBER)],
    context: Ctx,
    scores: Annotated[bool, Query(description="With one score for each task.")] = False,
    cursor: Cursor = None,
    limit: Limit = 200,
) -> ReportPage:
    """Return the trial's reports by meta-iteration."""
    with context.reading() as session:
        page = lookup.list_reports(
            session, study_id, trial_number, with_scores=scores, cursor=cursor, limit=limit
        )
    link_next(request, response, page.next_cursor)
    return page


@router.get("/{study_id}/asks", dependencies=READ, response_model=AskPage, operation_id="list_asks")
def list_asks(
    request: Request,
    response: Response,
    study_id: StudyId,
    context: Ctx,
    branch: Annotated[str, Query(description="A branch of the study, by name.", max_length=32)],
    cursor: Cursor = None,
    limit: Limit = 200,
) -> AskPage:
    """Return the branch's log of asks and tells in its order: `metaopt replay` follows it."""
    with context.reading() as session:
        page = lookup.list_asks(session, study_id, branch=branch, cursor=cursor, limit=limit)
    link_next(request, response, page.next_cursor)
    return page
