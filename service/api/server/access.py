"""Who asks, and the log of who changed what."""

from fastapi import APIRouter, Request, Response

from service.api.context import Ctx, Who
from service.api.openapi import PROBLEMS
from service.api.studies import Cursor, Limit, link_next
from service.auth.policy import ADMIN, READ
from service.operations.access.audit import list_audit
from service.wire.views.access import AuditPage, IdentityView

router = APIRouter(prefix="/api/v1", tags=["access"], responses=PROBLEMS)


@router.get("/identity", dependencies=READ, response_model=IdentityView, operation_id="identify")
def show_identity(who: Who) -> IdentityView:
    """Return who asks, and what the key may do."""
    return IdentityView(
        name=who.name,
        scopes=list(who.scopes),
        projects=None if who.projects is None else list(who.projects),
        project=who.project,
        via=who.via,
    )


@router.get("/audit", dependencies=ADMIN, response_model=AuditPage, operation_id="list_audit")
def show_audit(
    request: Request,
    response: Response,
    context: Ctx,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> AuditPage:
    """Return changes, newest first: of all projects to a key for every project, else of one."""
    project = None if context.who.projects is None else context.who.project
    with context.reading() as session:
        page = list_audit(session, project=project, cursor=cursor, limit=limit)
    link_next(request, response, page.next_cursor)
    return page
