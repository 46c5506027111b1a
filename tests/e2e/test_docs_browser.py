"""The operations of the API at /docs in a real browser: read and tried, all from our own origin."""

import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from sqlalchemy import URL
from starlette.types import ASGIApp, Receive, Scope, Send

from service.app import create_app
from service.settings import Settings
from tests.waiting import wait_until

pytestmark = pytest.mark.browser


class Proxy:
    """Takes a prefix off the path, as a reverse proxy does that tells nobody of it."""

    def __init__(self, app: ASGIApp, prefix: str) -> None:
        self.app, self.prefix = app, prefix

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            assert scope["path"].startswith(self.prefix)
            scope = {**scope, "path": scope["path"].removeprefix(self.prefix)}
        await self.app(scope, receive, send)


@pytest.fixture(params=["", "/lab/metaopt"], ids=["root", "prefix"])
def url(
    request: pytest.FixtureRequest, tmp_path: Path, make_tables: Callable[[URL], None]
) -> Iterator[str]:
    """Yield where a server is, at the root or under a prefix."""
    settings = Settings(data_directory=tmp_path)
    make_tables(settings.url())
    app = create_app(settings)
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(Proxy(app, request.param), log_level="warning"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    wait_until(lambda: server.started, what="the server")
    yield f"http://127.0.0.1:{listener.getsockname()[1]}{request.param}"
    server.should_exit = True
    thread.join()


@pytest.fixture
def page(chromium: Any, url: str) -> Iterator[Any]:
    """Yield a page on which nothing may fail, and nothing may leave the server."""
    complaints: list[str] = []
    asked: list[str] = []
    page = chromium.new_page()
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda said: complaints.append(f"{said.type}: {said.text}"))
    page.on("request", lambda request: asked.append(request.url))
    yield page
    page.close()
    assert complaints == []
    assert [one for one in asked if not one.startswith((f"{url}/", "data:", "blob:"))] == []


def test_operations_are_shown_and_can_be_tried(page: Any, url: str) -> None:
    page.goto(f"{url}/docs")
    operation = page.locator("#operations-studies-list_studies")
    operation.wait_for()
    assert page.locator(".opblock").count() >= 39
    assert "Return studies, newest first" in operation.inner_text()
    operation.locator("button.opblock-summary-control").click()
    operation.get_by_role("button", name="Try it out").click()
    operation.get_by_role("button", name="Execute").click()
    answer = operation.locator(".live-responses-table")
    answer.wait_for()
    assert '"items": []' in answer.inner_text()
    assert page.locator("model-box, .models, .model-container").count() > 0
