"""Webhooks on our page in a real browser: a real dispatcher delivers to a receiver on loopback."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from sqlalchemy import URL

from service.database_url import sqlite_url
from tests.fakes.receiver import PATH, SECRET, Receiver, receiving
from tests.waiting import wait_until

pytestmark = pytest.mark.browser

SERVE = """
import sys, uvicorn
from service.app import create_app
from service.settings import Settings
uvicorn.run(create_app(Settings()), host="127.0.0.1", port=int(sys.argv[1]), log_level="warning")
"""


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as found:
        yield found


@pytest.fixture
def server(tmp_path: Path, receiver: Receiver, make_tables: Callable[[URL], None]) -> Iterator[str]:
    """Yield the URL of a server with a dispatcher and one webhook."""
    file = tmp_path / "webhooks.json"
    entry = {"name": "ci", "url": f"http://127.0.0.1:{receiver.port}{PATH}", "allow": ["127.0.0.1"]}
    events = ["study_cancelled"]
    file.write_text(json.dumps([{**entry, "secret": SECRET.decode(), "events": events}]))
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    named = {"METAOPT_DATA_DIRECTORY": str(tmp_path), "METAOPT_WEBHOOKS_FILE": str(file)}
    make_tables(sqlite_url(tmp_path / "metaopt.db"))
    processes = [
        subprocess.Popen([sys.executable, *command], env={**os.environ, **named})
        for command in (["-c", SERVE, str(port)], ["-m", "service.daemon"])
    ]
    url = f"http://127.0.0.1:{port}"
    try:
        wait_until(lambda: is_up(url), what="the server")
        yield url
    finally:
        for process in processes:
            process.terminate()
        for process in processes:
            process.wait(timeout=30)


def is_up(url: str) -> bool:
    try:
        return httpx2.get(f"{url}/readyz").status_code == 200
    except httpx2.TransportError:
        return False


@pytest.fixture
def page(chromium: Any, server: str, tmp_path: Path) -> Iterator[Any]:
    """Yield a page on which no script may fail."""
    page = chromium.new_page(base_url=server, viewport={"width": 1280, "height": 800})
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda said: complaints.append(said.text))
    yield page
    page.screenshot(path=tmp_path / "page.png")
    page.close()
    assert complaints == []


def test_a_webhook_is_tested_and_told_of_a_cancelled_study(
    page: Any, server: str, receiver: Receiver
) -> None:
    page.goto("/")
    page.get_by_role("link", name="Webhooks").click()
    webhook = page.locator("tr.webhook")
    assert webhook.inner_text().split()[:3] == ["ci", "127.0.0.1", "study_cancelled"]
    webhook.get_by_role("button", name="Test").click()
    delivered = page.locator("tr.delivery", has_text="delivered")
    delivered.wait_for(timeout=20_000)
    assert json.loads(receiver.got[0].body)["event"] == "test"

    spec = {
        "name": "cancelled at once",
        "tasks": {"kind": "sinusoid"},
        "model": {"kind": "mlp"},
        "branches": [{"algorithm": "reptile", "space": {"epsilon": "default"}}],
        "budget": {"trials": 2, "meta_iterations": 10_000_000},
    }
    study_id = httpx2.post(f"{server}/api/v1/studies", json=spec).json()["study_id"]
    httpx2.post(f"{server}/api/v1/studies/{study_id}:cancel")
    page.locator("tr.delivery", has_text="study_cancelled").get_by_text("delivered").wait_for()
    told = json.loads(receiver.got[1].body)
    assert (told["event"], told["study_id"]) == ("study_cancelled", study_id)
    assert (told["status"], told["name"]) == ("cancelled", spec["name"])
