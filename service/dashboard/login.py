"""Logging in and out: a browser gives its key once, and gets a cookie that is good for hours.

The page needs no script, and nothing that is behind the gate: what it looks like as the others is
in itself.
"""

import base64
import html
from importlib.resources import files
from urllib.parse import parse_qs

from anyio import to_thread
from fastapi import APIRouter, Request, Response
from starlette.exceptions import HTTPException
from starlette.responses import HTMLResponse, RedirectResponse

from service.auth.failures import Failures
from service.auth.gate import LOGIN
from service.auth.key import is_mistyped
from service.auth.policy import PUBLIC, READ, identity_of
from service.auth.sessions import COOKIE, LIFE, Begun, Sessions, token_in
from service.dashboard.page import HEADERS
from service.errors import TooManyFailures

MOST_BYTES = 4096
MOST_FIELDS = 4


def _page_of_others() -> str:
    """The page with the style sheet and the icon of all pages, which lie behind the gate."""
    folder = files("service.dashboard")
    icon = base64.b64encode((folder / "static" / "icon.svg").read_bytes()).decode()
    page = (folder / "login.html").read_text()
    page = page.replace("{{icon}}", f"data:image/svg+xml;base64,{icon}")
    return page.replace("{{style}}", (folder / "static" / "style.css").read_text())


PAGE = _page_of_others()
POLICY = "; ".join(
    [
        "default-src 'none'",
        "style-src 'unsafe-inline'",
        "img-src data:",
        "base-uri 'none'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    ]
)

router = APIRouter(include_in_schema=False)


@router.api_route(LOGIN, methods=["GET", "HEAD"], dependencies=PUBLIC)
def show_login(request: Request) -> Response:
    """The page that asks for a key."""
    return _page(request.query_params.get("next", "/"))


@router.post(LOGIN, dependencies=PUBLIC)
async def log_in(request: Request) -> Response:
    """Set a cookie for whoever gives a right key, and lead on."""
    form = _fields(await _read(request))
    key, leads_to = form.get("key", [""])[0].strip(), form.get("next", ["/"])[0]
    failures, sessions = request.app.state.failures, request.app.state.sessions
    request_id = identity_of(request).request_id
    begun = await to_thread.run_sync(_begin, sessions, key, request_id) if key else None
    if begun is None:
        return _refused(request, failures, key, leads_to)
    answer = RedirectResponse(_own_path(leads_to), 303)
    answer.set_cookie(
        COOKIE,
        begun.token,
        max_age=int(LIFE.total_seconds()),
        httponly=True,
        samesite="lax",
        secure=request.url.scheme == "https",
    )
    return answer


@router.post("/logout", dependencies=READ)
def log_out(request: Request) -> Response:
    """End the session of the cookie."""
    token = token_in(request.headers.get("cookie", ""))
    if token is not None:
        sessions: Sessions = request.app.state.sessions
        sessions.end(token, identity_of(request))
    answer = Response(status_code=204)
    answer.delete_cookie(COOKIE, httponly=True, samesite="lax")
    return answer


def _begin(sessions: Sessions, key: str, request_id: str) -> Begun | None:
    return sessions.begin(key, request_id)


def _refused(request: Request, failures: Failures, key: str, leads_to: str) -> Response:
    if not key:
        return _page(leads_to, "Give a key.", 401)
    try:
        failures.count(request.client.host if request.client else "")
    except TooManyFailures as error:
        answer = _page(leads_to, f"{error}.", 429)
        answer.headers["Retry-After"] = str(error.retry_after_seconds)
        return answer
    wrong = "mistyped: its checksum is wrong" if is_mistyped(key) else "unknown, revoked or expired"
    return _page(leads_to, f"This key is {wrong}.", 401)


def _page(leads_to: str, wrong: str = "", status: int = 200) -> Response:
    shown = PAGE.replace("{{next}}", html.escape(_own_path(leads_to)))
    shown = shown.replace("{{wrong}}", html.escape(wrong))
    headers = {**HEADERS, "Content-Security-Policy": POLICY, "Cache-Control": "no-store"}
    return HTMLResponse(shown, status, headers)


def _own_path(leads_to: str) -> str:
    """The path, if it is one of this server: two slashes, of either kind, lead elsewhere."""
    own = leads_to.startswith("/") and not leads_to.startswith(("//", "/\\"))
    return leads_to if own and leads_to.isprintable() else "/"


def _fields(body: str) -> dict[str, list[str]]:
    try:
        return parse_qs(body, max_num_fields=MOST_FIELDS, errors="replace")
    except ValueError:
        raise HTTPException(400, f"the form must have at most {MOST_FIELDS} fields") from None


async def _read(request: Request) -> str:
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > MOST_BYTES:
            raise HTTPException(413, "the form is too large")
    return body.decode("utf-8", "replace")
