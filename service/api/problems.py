"""Every error as a problem (RFC 9457): one table from code to status, one answer for each kind."""

import traceback
import uuid
from collections.abc import Sequence
from typing import NamedTuple

import structlog
from anyio import to_thread
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from sqlalchemy.exc import (
    DBAPIError,
    IntegrityError,
    OperationalError,
    ProgrammingError,
    SQLAlchemyError,
)
from sqlalchemy.exc import TimeoutError as PoolTimeout
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match

from service.db.connections.failures import is_away, is_full, is_gone, is_locked
from service.db.schema import revisions
from service.errors import FieldError, InvalidRequest, SchemaOutdated, ServiceError
from service.wire.parsing.plain_data import MAX_ERRORS
from service.wire.spec.refusals import rule_in_words
from service.wire.views.problems import MEDIA_TYPE, TYPE_PREFIX, BrokenRule, Problem

RETRY_SECONDS = "5"
# A key is taken as the password of HTTP Basic, too, but not asked for so: browsers would put a
# dialogue over every page whose session has ended.
CHALLENGES = [("WWW-Authenticate", 'Bearer realm="metaopt"')]
Headers = Sequence[tuple[str, str]]
RETRY: Headers = [("Retry-After", RETRY_SECONDS)]
CLOSE: Headers = [("Connection", "close")]  # the rest of the body is not waited for


class Kind(NamedTuple):
    """What a code means over HTTP."""

    status: int
    title: str
    headers: Headers = ()


KINDS: dict[str, Kind] = {
    "study-not-found": Kind(404, "No such study"),
    "study-ambiguous": Kind(409, "Several studies could be meant"),
    "trial-not-found": Kind(404, "No such trial"),
    "baseline-not-found": Kind(404, "No such baseline"),
    "weights-not-found": Kind(404, "No weights are kept"),
    "schedule-not-found": Kind(404, "No such schedule"),
    "schedule-exists": Kind(409, "Another schedule has this name"),
    "webhook-not-found": Kind(404, "No such webhook"),
    "dataset-not-found": Kind(404, "No such data set"),
    "dataset-exists": Kind(409, "Another data set has this name"),
    "dataset-incomplete": Kind(409, "The data set's arrays are not here"),
    "dataset-in-use": Kind(409, "The data set is needed"),
    "dataset-damaged": Kind(500, "The data set is damaged"),
    "upload-cut": Kind(400, "The upload broke off"),
    "storage-full": Kind(507, "The server's disk is full"),
    "storage-unavailable": Kind(503, "The server's disk cannot be used", RETRY),
    "result-not-ready": Kind(404, "The result is not ready", RETRY),
    "result-impossible": Kind(409, "There will be no result"),
    "transition-impossible": Kind(409, "The study's status does not allow this"),
    "idempotency-conflict": Kind(422, "The Idempotency-Key belongs to another spec"),
    "precondition-required": Kind(428, "Say which version you change"),
    "precondition-failed": Kind(412, "The study has changed meanwhile"),
    "budget-below-spent": Kind(409, "The budget is spent beyond this already"),
    "search-over": Kind(409, "The search has ended"),
    "invalid-request": Kind(422, "The request breaks a rule"),
    "invalid-spec": Kind(422, "The spec breaks a rule"),
    "invalid-dataset": Kind(422, "The data set breaks a rule"),
    "invalid-cursor": Kind(422, "The cursor is not one of ours"),
    "body-too-large": Kind(413, "The body is too large", CLOSE),
    "unsupported-media-type": Kind(415, "The body's type is not supported"),
    "format-unavailable": Kind(406, "The server cannot write this format"),
    "unauthenticated": Kind(401, "An API key is needed", CHALLENGES),
    "forbidden": Kind(403, "The API key is not for this"),
    "too-many-failures": Kind(429, "Too many wrong API keys"),
    "host-not-allowed": Kind(403, "The server does not answer to this name"),
    "cross-origin": Kind(403, "Changes from other sites are refused"),
    "keys-unreadable": Kind(503, "The API keys cannot be read", RETRY),
    "too-many-bodies": Kind(429, "Too many large bodies", [*RETRY, *CLOSE]),
    "too-many-streams": Kind(429, "Too many event streams", RETRY),
    "too-many-studies": Kind(429, "Too many studies are queued", RETRY),
    "too-many-schedules": Kind(429, "Too many schedules are active", RETRY),
    "request-timeout": Kind(408, "The request did not come", CLOSE),
    "not-ready": Kind(503, "The service is not ready", RETRY),
    "schema-outdated": Kind(503, "The database needs an upgrade", RETRY),
    "database-unavailable": Kind(503, "The database does not answer", RETRY),
    "not-found": Kind(404, "There is nothing here"),
    "method-not-allowed": Kind(405, "The method is not allowed here"),
    "internal-error": Kind(500, "Something went wrong on our side"),
}
_CODES_OF_STATUS = {404: "not-found", 405: "method-not-allowed", 503: "not-ready"}
_log = structlog.get_logger()


def install_problems(app: FastAPI) -> None:
    """Answer every error of the application with a problem."""
    kinds: tuple[type[Exception], ...] = (
        ServiceError,
        HTTPException,
        RequestValidationError,
        DBAPIError,
        PoolTimeout,
        Exception,
    )
    for kind in kinds:
        app.add_exception_handler(kind, refuse)


async def refuse(request: Request, error: Exception) -> Response:
    """Return the problem for an error.  What we did not foresee gets an id, never a trace."""
    if isinstance(error, ServiceError):
        errors = error.errors if isinstance(error, InvalidRequest) else []
        wait = error.retry_after_seconds
        headers = [] if wait is None else [("Retry-After", str(wait))]
        return problem_response(error.code, str(error), errors=errors, headers=headers)
    if isinstance(error, RequestValidationError):
        broken = [_field_error(entry) for entry in error.errors()]
        sentence = f"{broken[0].field}: {broken[0].message}"
        return problem_response("invalid-request", sentence, errors=broken)
    if isinstance(error, HTTPException):
        return _http_problem(request, error)
    if is_full(error):
        _log.warning("database_full", path=request.url.path)
        return problem_response("storage-full", "the database has no room left; nothing is changed")
    if _may_lack(error) and (outdated := await to_thread.run_sync(_schema_fault, request)):
        return problem_response(outdated.code, str(outdated))
    if is_away(error) or isinstance(error, ProgrammingError):
        _log.warning("database_unavailable", error=type(error).__name__, path=request.url.path)
        return problem_response("database-unavailable", "the database does not answer; try again")
    error_id = uuid.uuid4().hex
    trace = "".join(traceback.format_exception(error))  # no local variables: they hold keys
    _log.error("request_failed", error_id=error_id, path=request.url.path, traceback=trace)
    return problem_response("internal-error", f"the log has it under {error_id}")


def problem_response(
    code: str,
    detail: str,
    *,
    errors: Sequence[FieldError] = (),
    status: int | None = None,
    headers: Headers = (),
) -> Response:
    """Return a problem of the code's kind."""
    kind = KINDS.get(code) or Kind(status or 500, "The request was refused")
    problem = Problem(
        type=TYPE_PREFIX + code,
        code=code,
        title=kind.title,
        status=status or kind.status,
        detail=detail,
        errors=[BrokenRule(field=e.field, message=e.message) for e in errors[:MAX_ERRORS]],
    )
    response = Response(problem.model_dump_json(), problem.status, media_type=MEDIA_TYPE)
    response.headers["X-Content-Type-Options"] = "nosniff"  # also of what no gate answers
    for name, value in (*kind.headers, *headers):
        response.headers.append(name, value)
    return response


def _may_lack(error: Exception) -> bool:
    """Whether the database answered, but not as one at this version's schema does."""
    if is_gone(error) or is_locked(error):
        return False
    return isinstance(error, OperationalError | ProgrammingError | IntegrityError)


def _schema_fault(request: Request) -> SchemaOutdated | None:
    try:
        revisions.check(request.app.state.context.engine)
    except SchemaOutdated as error:
        return error
    except SQLAlchemyError:
        return None
    return None


def _http_problem(request: Request, error: HTTPException) -> Response:
    status, headers = error.status_code, list((error.headers or {}).items())
    detail = str(error.detail)
    if status == 404 and (allowed := _methods_of(request)):
        # the dashboard is mounted over everything, so a wrong method looks like a missing page
        status, headers = 405, [("Allow", ", ".join(allowed))]
    if status == 405:
        detail = f"{request.method} is not possible here"
    code = _CODES_OF_STATUS.get(status, f"http-{status}")
    return problem_response(code, detail, status=status, headers=headers)


def _methods_of(request: Request) -> list[str]:
    methods: set[str] = set()
    for route in request.app.state.own_routes:
        if route.matches(request.scope)[0] == Match.PARTIAL:
            methods |= getattr(route, "methods", None) or set()
    return sorted(methods)


def _field_error(entry: dict[str, object]) -> FieldError:
    loc = entry["loc"]
    assert isinstance(loc, tuple)
    field = ".".join(part if isinstance(part, str) else str(part) for part in loc)
    return FieldError(field, rule_in_words(entry))
