"""The report of a study, as data and as pages, and exports of its tables."""

from dataclasses import replace
from typing import Annotated

from fastapi import APIRouter, Query, Response
from fastapi.responses import StreamingResponse

from service.api.context import Context, Ctx
from service.api.openapi import EXPORT, PROBLEMS, REPORT_HTML, REPORT_MARKDOWN
from service.api.references import StudyId
from service.api.studies import PREFIX
from service.auth.policy import READ
from service.operations.export import export_table
from service.operations.report import read_hardest, read_rows, read_timeline
from service.report.data import Rows, study_report
from service.report.live import study_page
from service.report.pages.html import html_page
from service.report.pages.markdown import markdown_page
from service.report.pages.tables import encode
from service.wire.views.export import MEDIA_TYPES, Format, What
from service.wire.views.page import StudyPage
from service.wire.views.report import StudyReport
from service.wire.views.timeline import Timeline

PAGE_HEADERS = {
    # Everything is in the page; whatever else got into it could load nothing and send nothing.
    "Content-Security-Policy": "; ".join(
        [
            "default-src 'none'",
            "script-src 'unsafe-inline'",
            "style-src 'unsafe-inline'",
            "img-src data: blob:",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
        ]
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-cache",
}

router = APIRouter(prefix=PREFIX, tags=["report"], responses=PROBLEMS)


@router.get(
    "/{study_id}/report", dependencies=READ, response_model=StudyReport, operation_id="get_report"
)
def show_report(study_id: StudyId, context: Ctx) -> StudyReport:
    """Return the study's report so far; parts without data are null and `absent` says why."""
    return _report(context, study_id)


@router.get(
    "/{study_id}/timeline", dependencies=READ, response_model=Timeline, operation_id="get_timeline"
)
def show_timeline(study_id: StudyId, context: Ctx) -> Timeline:
    """Return what each slot did with its time for the study."""
    with context.reading() as session:
        return read_timeline(session, study_id, now=context.now())


@router.get(
    "/{study_id}/page", dependencies=READ, response_model=StudyPage, include_in_schema=False
)
def show_page(study_id: StudyId, context: Ctx) -> StudyPage:
    """The data that our own page draws of the study; they change with the page."""
    return study_page(_rows(context, study_id), now=context.now())


@router.get(
    "/{study_id}/report.html",
    dependencies=READ,
    response_class=Response,
    responses=REPORT_HTML,
    operation_id="get_report_page",
)
def show_report_page(study_id: StudyId, context: Ctx) -> Response:
    """Return the report as one self-contained page with figures."""
    page = html_page(_report(context, study_id))
    return Response(page, media_type="text/html", headers=PAGE_HEADERS)


@router.get(
    "/{study_id}/report.md",
    dependencies=READ,
    response_class=Response,
    responses=REPORT_MARKDOWN,
    operation_id="get_report_text",
)
def show_report_text(study_id: StudyId, context: Ctx) -> Response:
    """Return the report as Markdown: sentences and tables."""
    page = markdown_page(_report(context, study_id))
    return Response(page, media_type="text/markdown", headers={"Cache-Control": "no-cache"})


@router.get(
    "/{study_id}/export",
    dependencies=READ,
    response_class=StreamingResponse,
    responses=EXPORT,
    operation_id="export_table",
)
def export(
    study_id: StudyId,
    context: Ctx,
    what: Annotated[What, Query(description="Which table.")] = "trials",
    file_format: Annotated[
        Format, Query(alias="format", description="Parquet needs `metaopt[parquet]` there.")
    ] = "csv",
) -> StreamingResponse:
    """Send a table: trials, reports (one row per rung), or scores (one row per task)."""
    table = export_table(context.reading, study_id, what, file_format)
    return StreamingResponse(
        encode(table.columns, table.records, file_format),
        headers={
            "Content-Type": MEDIA_TYPES[file_format],
            "Content-Disposition": f'attachment; filename="{table.file_name}"',
            "X-Content-Type-Options": "nosniff",
        },
    )


def _report(context: Context, study_id: str) -> StudyReport:
    now = context.now()
    with context.reading() as session:
        rows = read_rows(session, study_id)
        rows = replace(
            rows,
            timeline=read_timeline(session, study_id, now=now),
            hardest=read_hardest(session, rows.result),
        )
    return study_report(rows, now=now)


def _rows(context: Context, study_id: str) -> Rows:
    with context.reading() as session:
        return read_rows(session, study_id)
