"""The gate before every route: who asks, under which name, from which site.

- With keys, every path but /healthz needs one: `Authorization: Bearer KEY`, or HTTP Basic with
  the key as password, which browsers can send for the page and the dashboard.
- Without keys, the server must be asked by a name of this machine: a site that points its own
  name at 127.0.0.1 (DNS rebinding) is refused.
- A change asked for by a page of another site is refused, as browsers send it with whatever
  they know of us.
"""

import base64
import binascii
from collections.abc import Awaitable, Callable
from urllib.parse import urlsplit

from anyio import to_thread
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from service.auth.bind import is_loopback
from service.auth.keys import ANYONE, Identity, KeyRing
from service.errors import CrossOrigin, HostNotAllowed, Unauthenticated

OPEN_PATHS = frozenset({"/healthz"})
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
TEST_HOST = "testserver"  # the name that Starlette's in-process client uses; it never resolves

Refuse = Callable[[Request, Exception], Awaitable[Response]]


class Gate:
    """ASGI middleware that lets a request through or answers for the application.

    Args:
        app: The application behind the gate.
        keys: Every key of the server.
        refuse: Turns the error into the answer.
    """

    def __init__(self, app: ASGIApp, keys: KeyRing, refuse: Refuse) -> None:
        self._app, self._keys, self._refuse = app, keys, refuse

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the request through, with `scope["identity"]`, or refuse it."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            raise RuntimeError(f"no route speaks {scope['type']}")
        if scope["path"] in OPEN_PATHS:  # without a thread, which all may wait for the database
            scope["identity"] = ANYONE
            await self._app(scope, receive, send)
            return
        try:
            scope["identity"] = await to_thread.run_sync(self._admit, scope)
        except Exception as error:  # whatever it is, nobody comes in; `refuse` knows the answers
            response = await self._refuse(Request(scope, receive), error)
            await response(scope, receive, send)
            return
        await self._app(scope, receive, send)

    def _admit(self, scope: Scope) -> Identity:
        headers = Headers(scope=scope)
        _check_origin(scope["method"], headers)
        if not self._keys.required():
            _check_host(headers.get("host", ""))
            return ANYONE
        key = key_of(headers.get("authorization", ""))
        identity = self._keys.identify(key) if key else None
        if identity is None:
            raise Unauthenticated(
                "no API key was given." if not key else "the API key that was given is unknown."
            )
        return identity


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


def _check_host(host: str) -> None:
    name = _host_name(host)
    if name != TEST_HOST and not is_loopback(name):
        raise HostNotAllowed(
            "without API keys this server answers only to a name of this machine, such as "
            "127.0.0.1 or localhost"
        )


def _check_origin(method: str, headers: Headers) -> None:
    origin = headers.get("origin")
    if method in SAFE_METHODS or origin is None:
        return
    if urlsplit(origin).netloc.lower() != headers.get("host", "").lower():
        raise CrossOrigin("a page of another site must not change anything here")


def _host_name(host: str) -> str:
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""
