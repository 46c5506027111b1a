"""The audit log as an administrator reads it."""

from sqlalchemy.orm import Session

from service.db.access import audit
from service.operations import pages
from service.wire.views.access import AuditPage, AuditView


def list_audit(
    session: Session, *, project: str | None, cursor: str | None, limit: int
) -> AuditPage:
    """A page of changes, newest first; of a project, or with None of all."""
    before = pages.decode_number(cursor) if cursor else None
    rows = audit.rows_before(session, before, project=project, limit=limit + 1)
    page, last = pages.split_page(rows, limit)
    return AuditPage(
        items=[AuditView.model_validate(row, from_attributes=True) for row in page],
        next_cursor=pages.encode_number(last.audit_id) if last else None,
    )
