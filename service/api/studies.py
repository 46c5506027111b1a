"""Studies: submit, list, show, steer, result."""

import json
import re
import uuid
from typing import Annotated, Any

from anyio import to_thread
from fastapi import APIRouter, Depends, Header, Query, Request, Response
from pydantic import JsonValue
from sqlalchemy.exc import IntegrityError

from service.api.bodies.body import parse_body, read_body
from service.api.context import Context, Ctx, Who
from service.api.event_source import until_ended
from service.api.model_files import MODEL_FILE, model_file
from service.api.openapi import PATCH_BODY, PROBLEMS, SPEC_BODY
from service.api.problems import RETRY_SECONDS
from service.api.references import MEANING, Reference, StudyId
from service.api.specs import incoming_spec
from service.auth.identity import Identity
from service.auth.policy import READ, SUBMIT
from service.db.states import TERMINAL_STUDIES, StudyStatus
from service.errors import FieldError, InvalidRequest
from service.operations import lookup
from service.operations.change import change_study
from service.operations.preview import preview_study
from service.operations.references import LONGEST, find_reference
from service.operations.steer import CANCEL, PAUSE, RESUME, Move, steer_study
from service.operations.submit import (
    Once,
    Submitter,
    answered_before,
    sent_digest,
    submit_study,
    submitted_before,
)
from service.wire.views.preview import Preview
from service.wire.views.result import StudyResult
from service.wire.views.studies import StudyPage, StudyView
from service.wire.words.references import LAST

PREFIX = "/api/v1/studies"
MAX_WAIT_SECONDS = 30

Limit = Annotated[int, Query(ge=1, le=500, description="Most items of the page.")]
Cursor = Annotated[
    str | None, Query(max_length=200, description="`next_cursor` of the page before.")
]

# HTTP takes away the spaces at the ends of a header.  FastAPI would name another field and rule.
KEY_RULE: dict[str, JsonValue] = {
    "minLength": 1,
    "maxLength": 255,
    "pattern": r"^[\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?$",
}

router = APIRouter(prefix=PREFIX, tags=["studies"], responses=PROBLEMS)


@router.post(
    "",
    dependencies=SUBMIT,
    status_code=202,
    response_model=StudyView,
    openapi_extra=SPEC_BODY,
    operation_id="submit_study",
)
def submit(
    request: Request,
    response: Response,
    body: Annotated[bytes, Depends(read_body)],
    context: Ctx,
    who: Who,
    idempotency_key: Annotated[
        str | None,
        Header(description="1 to 255 printable ASCII characters.", json_schema_extra=KEY_RULE),
    ] = None,
) -> StudyView | Response:
    """Queue a study; repeating it with the same Idempotency-Key returns the same answer.

    It is kept for 24 hours; after that the same study is returned as it stands, for as long as
    the server keeps the key (METAOPT_KEEP_IDEMPOTENCY_DAYS, 30).
    """
    data = _plain(request, body)
    once = _once(idempotency_key, who, data)
    study_id = _submit(context, data, once, Submitter(who.api_key_id, context.queued_per_key))
    response.headers["Location"] = f"{PREFIX}/{study_id}"
    response.headers["Retry-After"] = RETRY_SECONDS
    with context.reading() as session:
        kept = answered_before(session, once, now=context.now()) if once else None
    return _show(context, study_id, response) if kept is None else _replay(kept, response)


@router.post(
    "/preview",
    dependencies=READ,
    response_model=Preview,
    openapi_extra=SPEC_BODY,
    operation_id="preview_study",
)
def preview(request: Request, body: Annotated[bytes, Depends(read_body)], context: Ctx) -> Preview:
    """Preview a spec: trials, rungs, cost and space; nothing is started."""
    spec = incoming_spec(context, _plain(request, body))
    with context.reading() as session:
        return preview_study(session, spec)


@router.get("", dependencies=READ, response_model=StudyPage, operation_id="list_studies")
def list_studies(
    request: Request,
    response: Response,
    context: Ctx,
    status: StudyStatus | None = None,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> StudyPage:
    """Return studies, newest first."""
    with context.reading() as session:
        page = lookup.list_studies(session, status=status, cursor=cursor, limit=limit)
    link_next(request, response, page.next_cursor)
    return page


@router.get(":find", dependencies=READ, response_model=StudyView, operation_id="find_study")
def find(
    response: Response,
    context: Ctx,
    ref: Annotated[str, Query(max_length=LONGEST, description=MEANING)] = LAST,
) -> StudyView:
    """Return the study that is meant; so a name with a slash in it is found too."""
    with context.reading() as session:
        study_id = find_reference(session, ref)
    return _show(context, study_id, response)


@router.get("/{study_id}", dependencies=READ, response_model=StudyView, operation_id="get_study")
async def show(
    study_id: StudyId,
    response: Response,
    context: Ctx,
    wait: Annotated[
        float, Query(ge=0, le=MAX_WAIT_SECONDS, description="Seconds to wait for its end.")
    ] = 0,
) -> StudyView:
    """Return a study, at once or as soon as it has ended, but after `wait` seconds at most."""
    view = await to_thread.run_sync(_show, context, study_id, response)
    if wait == 0 or view.status in TERMINAL_STUDIES:
        return view
    await until_ended(context, study_id, wait)
    return await to_thread.run_sync(_show, context, study_id, response)


@router.patch(
    "/{study_id}",
    dependencies=SUBMIT,
    response_model=StudyView,
    openapi_extra=PATCH_BODY,
    operation_id="change_study",
)
def change(
    study_id: Reference,
    request: Request,
    response: Response,
    body: Annotated[bytes, Depends(read_body)],
    context: Ctx,
    if_match: Annotated[
        str | None, Header(description="The study's ETag; required, 428 without.")
    ] = None,
) -> StudyView:
    """Change what the study's search may spend, while it goes on (JSON merge patch)."""
    patch = parse_body(body, request.headers.get("content-type", ""))
    with context.changing() as session:
        study_id = find_reference(session, study_id)
        change_study(session, study_id, patch, if_match, now=context.now())
    return _show(context, study_id, response)


@router.post(
    "/{study_id}:cancel", dependencies=SUBMIT, response_model=StudyView, operation_id="cancel_study"
)
def cancel(study_id: StudyId, response: Response, context: Ctx) -> StudyView:
    """End a study; its running trials stop, and it gets no verdict."""
    return _steer(context, study_id, CANCEL, response)


@router.post(
    "/{study_id}:pause", dependencies=SUBMIT, response_model=StudyView, operation_id="pause_study"
)
def pause_study(study_id: StudyId, response: Response, context: Ctx) -> StudyView:
    """Take a study's trials off the workers until it is resumed."""
    return _steer(context, study_id, PAUSE, response)


@router.post(
    "/{study_id}:resume", dependencies=SUBMIT, response_model=StudyView, operation_id="resume_study"
)
def resume(study_id: StudyId, response: Response, context: Ctx) -> StudyView:
    """Queue a paused study again; its trials go on from their checkpoints."""
    return _steer(context, study_id, RESUME, response)


@router.get(
    "/{study_id}/result", dependencies=READ, response_model=StudyResult, operation_id="get_result"
)
def show_result(study_id: StudyId, context: Ctx) -> Any:
    """Return a completed study's verdict."""
    with context.reading() as session:
        return lookup.get_result(session, study_id)


@router.get(
    "/{study_id}/weights",
    dependencies=READ,
    response_class=Response,
    responses=MODEL_FILE,
    operation_id="get_study_weights",
)
def show_weights(study_id: StudyId, context: Ctx) -> Response:
    """Send the winner's model file: weights as safetensors, and how they are adapted."""
    with context.reading() as session:
        return model_file(lookup.get_weights(session, study_id))


def link_next(request: Request, response: Response, cursor: str | None) -> None:
    """Name the next page in a Link header (RFC 8288)."""
    if cursor is not None:
        url = request.url.include_query_params(cursor=cursor)
        response.headers["Link"] = f'<{url.path}?{url.query}>; rel="next"'


def _show(context: Context, study_id: str, response: Response) -> StudyView:
    with context.reading() as session:
        view = lookup.show_study(session, study_id)
    response.headers["ETag"] = f'"{view.version}"'
    return view


def _replay(answer: str, response: Response) -> Response:
    """Send the very bytes of the first answer."""
    response.headers["ETag"] = f'"{json.loads(answer)["version"]}"'
    return Response(answer, 202, response.headers, media_type="application/json")


def _submit(context: Context, data: Any, once: Once | None, submitter: Submitter) -> str:
    def attempt() -> str:
        study_id, now = uuid.uuid4().hex, context.now()
        with context.changing() as session:
            return submit_study(
                session, spec, once, study_id=study_id, now=now, submitter=submitter
            )

    if once is not None:
        with context.reading() as session:
            earlier = submitted_before(session, once)
        if earlier is not None:
            return earlier
    with context.staying():
        spec = incoming_spec(context, data)
        try:
            return attempt()
        except IntegrityError:  # the same key was used at the same moment: now it is there to find
            return attempt()


def _once(key: str | None, who: Identity, data: Any) -> Once | None:
    if key is None:
        return None
    if not re.fullmatch(r"[\x20-\x7e]{1,255}", key):
        rule = "must be 1 to 255 printable ASCII characters"
        raise InvalidRequest(
            f"Idempotency-Key: {rule}", [FieldError("header.Idempotency-Key", rule)]
        )
    return Once(key, who.api_key_id, sent_digest(data))


def _steer(context: Context, study_id: str, move: Move, response: Response) -> StudyView:
    with context.changing() as session:
        most = context.queued_per_key
        steer_study(session, study_id, move, now=context.now(), most_queued=most)
    return _show(context, study_id, response)


def _plain(request: Request, body: bytes) -> Any:
    return parse_body(body, request.headers.get("content-type", ""))
