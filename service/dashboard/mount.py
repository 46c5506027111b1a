"""Optuna Dashboard at the root, behind our own routes, read-only unless configured otherwise.

Its paths (/dashboard, /api/studies, /static, …) are written into its script, so it cannot live
under a prefix; it has neither users nor a read-only mode, so both are made here.  It shows the
studies of every project, so it needs a key that is for every project, and changes need `admin`.
Whatever is not one of its paths is not found, in our words, and so is what it does not have there:
its own errors are pages for a browser, or exceptions where it did not reckon with a request (a
number that no column holds, a client that says nothing of compression).
"""

import re
import threading
from collections.abc import Callable, MutableMapping
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import parse_qs

from a2wsgi import WSGIMiddleware
from anyio import to_thread
from fastapi import FastAPI
from sqlalchemy import URL, select
from sqlalchemy.exc import SQLAlchemyError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.auth.identity import Scope as Scopes
from service.auth.policy import Policy, identity_of
from service.db.connections.deadlines import API

if TYPE_CHECKING:
    from optuna.storages import RDBStorage

PATHS = ("/dashboard", "/api/meta", "/api/studies", "/api/trials", "/static/", "/csv/")
READING = ("GET", "HEAD", "OPTIONS")
LOOK = Policy(Scopes.READ, everywhere=True)
CHANGE = Policy(Scopes.ADMIN, everywhere=True)
THREADS = 4
LARGEST_ID = 2**31 - 1  # of a study or trial, as Optuna's columns hold them
MOST_DIGITS = 20

SECURITY_HEADERS = [
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"SAMEORIGIN"),
    (b"referrer-policy", b"same-origin"),
]


class Dashboard:
    """Optuna Dashboard as an ASGI application; it opens the database at the first request.

    Args:
        database_url: As for `open_engine`; Optuna's tables exist.
        writable: Let it change Optuna's tables.  Ours it never sees, and the mirror does not
            put right what was changed by hand.
        record: Called in a thread with each request that has changed something.
    """

    policies = (LOOK, CHANGE)

    def __init__(
        self,
        database_url: str | URL,
        *,
        writable: bool,
        record: Callable[[Request], None] = lambda _: None,
    ) -> None:
        """Remember what to open."""
        self._record = record
        self._database_url = database_url
        self._writable = writable
        self._lock = threading.Lock()
        self._storage: RDBStorage | None = None
        self._wsgi: WSGIMiddleware | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request for one of the dashboard's paths.

        Raises:
            HTTPException: 400, 404 or 405 where it has nothing there or would change something; 503
                where the database is not ready; another status, as it answers itself.
            Forbidden: The key is not for this.
            sqlalchemy.exc.SQLAlchemyError: The database failed.
        """
        if scope["type"] != "http" or not _may_be_there(scope["path"]):
            raise HTTPException(404)
        policy = LOOK if scope["method"] in READING else CHANGE
        policy.check(identity_of(Request(scope)))
        _check_query(scope)
        if scope["method"] not in READING and not self._writable:
            raise HTTPException(
                405,
                "the Optuna Dashboard is read-only; set METAOPT_DASHBOARD_WRITABLE=true to change "
                "its tables",
                headers={"Allow": ", ".join(READING)},
            )
        app = self._wsgi or await to_thread.run_sync(self._open)
        if (plot := re.match(r"/api/studies/(\d+)/plot/", scope["path"])) is not None:
            await to_thread.run_sync(self._find, int(plot[1]))
        answer = _Answer(send)
        await cast(ASGIApp, app)(_said(scope), receive, answer.send)
        if answer.refused == 500:
            await to_thread.run_sync(self._ask_database)
            raise RuntimeError(f"Optuna Dashboard failed on {scope['method']} {scope['path']}")
        if answer.refused is not None:
            raise HTTPException(answer.refused)
        if policy is CHANGE and answer.status is not None and answer.status < 400:
            await to_thread.run_sync(self._record, Request(scope))

    def _ask_database(self) -> None:
        """Ask for next to nothing.

        Raises:
            sqlalchemy.exc.SQLAlchemyError: The database is at fault.
        """
        if self._storage is not None:
            with self._storage.engine.connect() as connection:
                connection.execute(select(1))

    def close(self) -> None:
        """Give back all threads and connections."""
        if self._wsgi is not None:
            self._wsgi.executor.shutdown()
        if self._storage is not None:
            self._storage.remove_session()
            self._storage.engine.dispose()
        self._wsgi = self._storage = None

    def _find(self, optuna_id: int) -> None:
        """Raise 404 where there is no such study; plots take it for granted."""
        assert self._storage is not None
        try:
            self._storage.get_study_name_from_id(optuna_id)
        except KeyError:
            raise HTTPException(404) from None

    def _open(self) -> WSGIMiddleware:
        # A tenth of what a server loads, and many a one is never asked for it.
        from optuna.exceptions import StorageInternalError
        from optuna_dashboard import wsgi  # type: ignore[import-untyped]

        from service.db.optuna.storage import open_storage

        with self._lock:
            if self._wsgi is None:
                try:
                    self._storage = open_storage(self._database_url, API)
                except (SQLAlchemyError, StorageInternalError, RuntimeError) as error:
                    raise HTTPException(503, f"Optuna's tables cannot be read: {error}") from error
                self._wsgi = WSGIMiddleware(wsgi(self._storage), workers=THREADS)
            return self._wsgi


def mount_dashboard(
    app: FastAPI,
    database_url: str | URL,
    *,
    writable: bool,
    record: Callable[[Request], None] = lambda _: None,
) -> Dashboard:
    """Mount Optuna Dashboard at the root of `app`, after every other route; close it at the end."""
    dashboard = Dashboard(database_url, writable=writable, record=record)
    app.mount("/", dashboard)
    return dashboard


def _may_be_there(path: str) -> bool:
    """Whether it is one of the dashboard's, and names no id that its database cannot look for."""
    # also of zeros: Python refuses to read 4,300 digits, whatever they are
    numbers = re.findall(r"(?<=/)-?\d{10,}(?=/|$)", path)
    return path.startswith(PATHS) and all(
        len(number) <= MOST_DIGITS and abs(int(number)) <= LARGEST_ID for number in numbers
    )


def _check_query(scope: Scope) -> None:
    """Raise 400 where `after`, of which only the sign is checked there, is no number."""
    for value in parse_qs(scope["query_string"].decode("latin-1")).get("after", []):
        if not re.fullmatch(r"-?[0-9]{1,18}", value):
            raise HTTPException(400, "after: must be a whole number")


def _said(scope: Scope) -> Scope:
    """The request with the header that the dashboard takes for granted."""
    if any(name == b"accept-encoding" for name, _ in scope["headers"]):
        return scope
    return {**scope, "headers": [*scope["headers"], (b"accept-encoding", b"identity")]}


class _Answer:
    """What the dashboard sends, with our headers; a page that tells of an error is held back.

    Its script reads errors as JSON, and they are sent as they are; but for 500, whose words hide
    why.
    """

    def __init__(self, send: Send) -> None:
        self._send = send
        self.status: int | None = None
        self.refused: int | None = None

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = {name.lower(): value for name, value in message.get("headers", [])}
            self.status = message["status"]
            is_page = not headers.get(b"content-type", b"").startswith(b"application/json")
            if message["status"] == 500 or (message["status"] >= 400 and is_page):
                self.refused = message["status"]
            _add_headers(message)
        if self.refused is None:
            await self._send(message)


def _add_headers(message: MutableMapping[str, Any]) -> None:
    headers = [(name, value) for name, value in message.get("headers", []) if name != _CORS]
    present = {name.lower() for name, _ in headers}
    extra = [header for header in SECURITY_HEADERS if header[0] not in present]
    message["headers"] = [*headers, *extra]


_CORS = b"access-control-allow-origin"  # it lets every site read; nobody needs that
