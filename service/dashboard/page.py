"""Our own page at the root: studies, their progress, curves and verdicts, live.

Plain HTML, CSS and JavaScript beside this file; the script talks to `/api/v1` like any client.
Figures come from there too, as the report's data, and are drawn with its theme by the plotly.js
of the installed plotly package, which a page asks for when it has a first figure to draw.

Beside it, at `/docs`, the operations of the API in Swagger UI, whose files come from an installed
package, too.  No page loads anything from elsewhere.
"""

import hashlib
import json
from functools import cache
from importlib.resources import files
from pathlib import PurePosixPath
from typing import NamedTuple

from fastapi import APIRouter, HTTPException, Request, Response

from service.auth.policy import READ
from service.events import EVENTS

MEDIA_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
HEADERS = {
    "Content-Security-Policy": "; ".join(
        [
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'self' 'unsafe-inline'",  # plotly.js writes style sheets of its own
            "img-src 'self' data: blob:",  # a figure that is saved as a picture
            "connect-src 'self'",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
        ]
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-cache",  # asks each time, and is told 304
}


SWAGGER_UI = "static/swagger"
VENDORED = {
    "plotly.js": ("plotly.package_data", "plotly.min.js"),
    "swagger-ui-bundle.js": ("fastapi_standalone_docs", f"{SWAGGER_UI}/swagger-ui-bundle.js"),
    "swagger-ui.css": ("fastapi_standalone_docs", f"{SWAGGER_UI}/swagger-ui.css"),
}
"""Files of installed packages, too large to be read before somebody asks."""


class Asset(NamedTuple):
    """A file of the page, as it is served."""

    content: bytes
    media_type: str
    etag: str


def _load() -> dict[str, Asset]:
    own = (files("service.dashboard") / "static").iterdir()
    shared = files("service.report.pages") / "theme.js"
    assets = {file.name: _asset(file.name, file.read_bytes()) for file in (*own, shared)}
    return {**assets, "events.js": _asset("events.js", _events())}


def _events() -> bytes:
    """The kinds of events, each of which a browser has to be asked to listen to."""
    return f"export const EVENTS = {json.dumps([kind.name for kind in EVENTS])};\n".encode()


@cache
def _vendored(name: str) -> Asset:
    package, path = VENDORED[name]
    return _asset(name, (files(package) / path).read_bytes())


def _asset(name: str, content: bytes) -> Asset:
    media_type = MEDIA_TYPES[PurePosixPath(name).suffix]
    return Asset(content, media_type, f'"{hashlib.sha256(content).hexdigest()[:32]}"')


ASSETS = _load()

router = APIRouter(include_in_schema=False)


@router.api_route("/", methods=["GET", "HEAD"], dependencies=READ)
def show_page(request: Request) -> Response:
    """The page."""
    return _answer(ASSETS["index.html"], request)


@router.api_route("/docs", methods=["GET", "HEAD"], dependencies=READ)
def show_docs(request: Request) -> Response:
    """The operations of the API, to read and to try."""
    return _answer(ASSETS["docs.html"], request)


@router.api_route("/favicon.ico", methods=["GET", "HEAD"], dependencies=READ)
def show_icon(request: Request) -> Response:
    """The icon, for browsers that ask for it by its old name."""
    return _answer(ASSETS["icon.svg"], request)


@router.api_route("/ui/{name}", methods=["GET", "HEAD"], dependencies=READ)
def show_asset(name: str, request: Request) -> Response:
    """A script, style sheet or picture of the page."""
    if name not in ASSETS and name not in VENDORED:
        raise HTTPException(404)
    return _answer(_vendored(name) if name in VENDORED else ASSETS[name], request)


def _answer(asset: Asset, request: Request) -> Response:
    headers = {**HEADERS, "ETag": asset.etag}
    if request.headers.get("If-None-Match") == asset.etag:
        return Response(status_code=304, headers=headers)
    return Response(asset.content, media_type=asset.media_type, headers=headers)
