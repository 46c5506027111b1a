"""The gate before every route: who asks, under which name, from which site.

- With keys, every path but /healthz and /login needs one: `Authorization: Bearer KEY`, HTTP Basic
  with the key as password, or the cookie of a browser that is logged in (`service.auth.sessions`).
- Without keys, the server must be asked by a name of this machine: a site that points its own
  name at 127.0.0.1 (DNS rebinding) is refused.
- A change asked for by a page of another site is refused, as browsers send it with whatever
  they know of us; one by cookie must say that it comes from a page of ours.
- An answer that takes long goes on only for as long as the key is valid (`service.auth.watch`).

What somebody may do whom the gate lets in is the policy of each route (`service.auth.policy`).
"""

import asyncio
import base64
import binascii
import uuid
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import NamedTuple
from urllib.parse import quote, urlsplit

from anyio import to_thread
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.auth.bind import is_loopback
from service.auth.failures import Failures
from service.auth.identity import ANYONE, NOBODY, Identity, Via
from service.auth.key import is_mistyped
from service.auth.keys import KeyRing
from service.auth.sessions import Sessions, token_in
from service.auth.watch import Sleep, Watch, Watched
from service.errors import CrossOrigin, Forbidden, HostNotAllowed, Unauthenticated
from service.wire.names import PROJECT_NAME
from service.wire.words.projects import PROJECT_HEADER

HEALTH = "/healthz"
LOGIN = "/login"
OPEN_PATHS = frozenset({HEALTH, LOGIN})
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
Refuse = Callable[[Request, Exception], Awaitable[Response]]


class Credential(NamedTuple):
    """By what somebody is let in: a key, or what the cookie of a session holds."""

    is_key: bool
    secret: str


class Gate:
    """ASGI middleware that lets a request through or answers for the application.

    Args:
        app: The application behind the gate.
        keys: Every key of the server.
        sessions: Browsers that are logged in.
        failures: Counts wrong keys.
        refuse: Turns the error into the answer.
        sleep: Waits so many seconds in the running loop.
    """

    def __init__(
        self,
        app: ASGIApp,
        keys: KeyRing,
        sessions: Sessions,
        failures: Failures,
        refuse: Refuse,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        self._app, self._keys, self._sessions = app, keys, sessions
        self._failures, self._refuse = failures, refuse
        self._watch: Watch[Credential | None] = Watch(self._valid, sleep)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the request through, with `scope["identity"]`, or refuse it."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            raise RuntimeError(f"no route speaks {scope['type']}")
        request_id = uuid.uuid4().hex
        send = _with_headers(send, request_id)
        if scope["path"] == HEALTH:  # without a thread, which all may wait for the database
            scope["identity"] = NOBODY
            await self._app(scope, receive, send)
            return
        try:
            identity = await to_thread.run_sync(self._admit, scope)
        except Exception as error:  # whatever it is, nobody comes in; `refuse` knows the answers
            response = await self._answer(Request(scope, receive), error)
            await response(scope, receive, send)
            return
        scope["identity"] = identity._replace(request_id=request_id)
        if scope["path"] in OPEN_PATHS or identity.via is Via.OPEN:  # no key to be revoked
            await self._app(scope, receive, send)
            return
        await self._answer_while_valid(scope, receive, send)

    async def _answer_while_valid(self, scope: Scope, receive: Receive, send: Send) -> None:
        credential, is_safe = _credential(Headers(scope=scope)), scope["method"] in SAFE_METHODS
        with self._watch.over(credential, may_be_cut=is_safe) as watched:
            answer = _WhileValid(send, watched)
            with suppress(_Revoked):
                await self._app(scope, receive, answer.send)
        if watched.revoked and not answer.whole:
            await answer.cut(self._refuse, Request(scope, receive))

    def _admit(self, scope: Scope) -> Identity:
        headers, path = Headers(scope=scope), scope["path"]
        _check_origin(scope["method"], headers, needed=path == LOGIN)
        if not self._keys.required():
            _check_host(headers.get("host", ""))
            return _at_work(ANYONE, headers)
        if path in OPEN_PATHS:
            return NOBODY
        identity = self._identify(headers)
        if identity is None:
            raise self._unknown(headers, scope)
        if _is_by_cookie(headers):
            _check_origin(scope["method"], headers, needed=True)
        return _at_work(identity, headers)

    def _identify(self, headers: Headers) -> Identity | None:
        credential = _credential(headers)
        if credential is None:
            return None
        if credential.is_key:
            identity = self._keys.identify(credential.secret)
            return identity and identity._replace(project=identity.home())
        return self._sessions.identify([credential.secret]).get(credential.secret)

    def _valid(self, credentials: set[Credential | None]) -> set[Credential | None]:
        """Those that let somebody in now."""
        given = [one for one in credentials if one is not None]
        tokens = [one.secret for one in given if not one.is_key]
        sessions = self._sessions.identify(tokens) if tokens else {}
        return {
            one
            for one in given
            if (one.secret in sessions if not one.is_key else self._keys.identify(one.secret))
        }

    def _unknown(self, headers: Headers, scope: Scope) -> Exception:
        if _is_by_cookie(headers):
            return Unauthenticated("you are not logged in, or not any more, and gave no API key.")
        key = key_of(headers.get("authorization", ""))
        if not key:
            return Unauthenticated("no API key was given.")
        self._failures.count((scope.get("client") or ("", 0))[0])
        if is_mistyped(key):
            return Unauthenticated("the API key that was given is mistyped: its checksum is wrong.")
        return Unauthenticated("the API key that was given is unknown.")

    async def _answer(self, request: Request, error: Exception) -> Response:
        """Send a browser that wants a page to log in; tell others."""
        wants_page = "text/html" in request.headers.get("accept", "")
        if (
            isinstance(error, Unauthenticated)
            and wants_page
            and request.method in ("GET", "HEAD")
            and _is_by_cookie(request.headers)
        ):
            return RedirectResponse(f"{LOGIN}?next={quote(_path(request), safe='')}", 303)
        return await self._refuse(request, error)


class _Revoked(Exception):
    """The key of an answer under way is not valid any more."""


class _WhileValid:
    """Sends an answer for as long as its key is valid."""

    def __init__(self, send: Send, watched: Watched[Credential | None]) -> None:
        self._send, self._watched = send, watched
        self._begun = self.whole = False

    async def send(self, message: Message) -> None:
        """Send it on, or stop the application."""
        if self._watched.revoked:
            raise _Revoked
        self._begun = self._begun or message["type"] == "http.response.start"
        is_body = message["type"] == "http.response.body"
        await self._send(message)
        self.whole = is_body and not message.get("more_body", False)

    async def cut(self, refuse: Refuse, request: Request) -> None:
        """End the answer, or refuse it if nothing of it is sent."""
        if self._begun:
            await self._send({"type": "http.response.body", "body": b"", "more_body": False})
            return
        response = await refuse(request, Unauthenticated("the API key is not valid any more."))
        await response(request.scope, request.receive, self._send)


def _credential(headers: Headers) -> Credential | None:
    """What the headers carry, or None."""
    if not _is_by_cookie(headers):
        key = key_of(headers.get("authorization", ""))
        return Credential(True, key) if key else None
    token = token_in(headers.get("cookie", ""))
    return Credential(False, token) if token else None


def key_of(authorization: str) -> str | None:
    """The key that an Authorization header carries, or None."""
    scheme, _, credentials = authorization.partition(" ")
    if scheme.lower() == "bearer":
        return credentials.strip() or None
    if scheme.lower() != "basic":
        return None
    try:
        pair = base64.b64decode(credentials.strip(), validate=True).decode()
    except (binascii.Error, ValueError):
        return None
    return pair.partition(":")[2] or None


def _is_by_cookie(headers: Headers) -> bool:
    """Whether nothing but a cookie can say who asks."""
    return "authorization" not in headers


def _at_work(identity: Identity, headers: Headers) -> Identity:
    """Who asks, in the project that is asked for."""
    wanted = headers.get(PROJECT_HEADER)
    if wanted is None or wanted == identity.project:
        return identity
    try:
        PROJECT_NAME.check(wanted)
    except ValueError as error:
        raise Forbidden(f"{PROJECT_HEADER}: {error}") from None
    if identity.projects is not None and wanted not in identity.projects:
        raise Forbidden(
            f"your API key is not for project {wanted}, but for {', '.join(identity.projects)}"
        )
    return identity._replace(project=wanted)


def _with_headers(send: Send, request_id: str) -> Send:
    """Send with what every answer has: its id, and that it is what its type says."""

    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            headers["X-Request-ID"] = request_id
            headers["X-Content-Type-Options"] = "nosniff"
        await send(message)

    return sending


def _check_host(host: str) -> None:
    if not is_loopback(_host_name(host)):
        raise HostNotAllowed(
            "without API keys this server answers only to a name of this machine, such as "
            "127.0.0.1 or localhost"
        )


def _check_origin(method: str, headers: Headers, *, needed: bool) -> None:
    """Refuse a change that a page of another site asks for, or if `needed` might ask for."""
    origin = headers.get("origin")
    if method in SAFE_METHODS or (origin is None and not needed):
        return
    if origin is None or _site(origin) != headers.get("host", "").lower():
        raise CrossOrigin("a page of another site must not change anything here")


def _site(origin: str) -> str | None:
    """The name and port of the site; None if it says none, as a sandboxed page does not."""
    try:
        return urlsplit(origin).netloc.lower() or None
    except ValueError:
        return None


def _host_name(host: str) -> str:
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


def _path(request: Request) -> str:
    query = request.url.query
    return f"{request.url.path}?{query}" if query else request.url.path
