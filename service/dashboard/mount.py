"""Optuna Dashboard at the root, behind our own routes, read-only unless configured otherwise.

Its paths (/dashboard, /api/studies, /static, …) are written into its script, so it cannot live
under a prefix; it has neither users nor a read-only mode, so both are made here.  Whatever is
not one of its paths is not found, in our words.
"""

import threading
from collections.abc import MutableMapping
from typing import Any, cast

from a2wsgi import WSGIMiddleware
from anyio import to_thread
from fastapi import FastAPI
from optuna.exceptions import StorageInternalError
from optuna.storages import RDBStorage
from optuna_dashboard import wsgi  # type: ignore[import-untyped]
from sqlalchemy import URL, select
from sqlalchemy.exc import SQLAlchemyError
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.db.connections.deadlines import API
from service.db.optuna.storage import open_storage

PATHS = ("/dashboard", "/api/meta", "/api/studies", "/api/trials", "/static/", "/csv/")
READING = ("GET", "HEAD", "OPTIONS")
THREADS = 4

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
    """

    def __init__(self, database_url: str | URL, *, writable: bool) -> None:
        """Remember what to open."""
        self._database_url = database_url
        self._writable = writable
        self._lock = threading.Lock()
        self._storage: RDBStorage | None = None
        self._wsgi: WSGIMiddleware | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request for one of the dashboard's paths.

        Raises:
            HTTPException: 404 another path, 405 a change, 503 the database is not ready.
            sqlalchemy.exc.SQLAlchemyError: The database failed.
        """
        if scope["type"] != "http" or not scope["path"].startswith(PATHS):
            raise HTTPException(404)
        if scope["method"] not in READING and not self._writable:
            raise HTTPException(
                405,
                "the Optuna Dashboard is read-only; set METAOPT_DASHBOARD_WRITABLE=true to change "
                "its tables",
                headers={"Allow": ", ".join(READING)},
            )
        app = self._wsgi or await to_thread.run_sync(self._open)
        failed = False

        async def sending(message: Message) -> None:
            nonlocal failed
            failed = failed or message.get("status") == 500  # its words hide why
            if not failed:
                await send(message)

        await cast(ASGIApp, app)(scope, receive, _with_headers(sending))
        if failed:
            await to_thread.run_sync(self._ask_database)
            raise RuntimeError(f"Optuna Dashboard failed on {scope['method']} {scope['path']}")

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

    def _open(self) -> WSGIMiddleware:
        with self._lock:
            if self._wsgi is None:
                try:
                    self._storage = open_storage(self._database_url, API)
                except (SQLAlchemyError, StorageInternalError, RuntimeError) as error:
                    raise HTTPException(503, f"Optuna's tables cannot be read: {error}") from error
                self._wsgi = WSGIMiddleware(wsgi(self._storage), workers=THREADS)
            return self._wsgi


def mount_dashboard(app: FastAPI, database_url: str | URL, *, writable: bool) -> Dashboard:
    """Mount Optuna Dashboard at the root of `app`, after every other route; close it at the end."""
    dashboard = Dashboard(database_url, writable=writable)
    app.mount("/", dashboard)
    return dashboard


def _with_headers(send: Send) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            _add_headers(message)
        await send(message)

    return sending


def _add_headers(message: MutableMapping[str, Any]) -> None:
    headers = [(name, value) for name, value in message.get("headers", []) if name != _CORS]
    present = {name.lower() for name, _ in headers}
    extra = [header for header in SECURITY_HEADERS if header[0] not in present]
    message["headers"] = [*headers, *extra]


_CORS = b"access-control-allow-origin"  # it lets every site read; nobody needs that
