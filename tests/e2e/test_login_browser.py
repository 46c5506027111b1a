"""Logging in and out in a real browser, and what becomes of answers under way when a key is not."""

import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import httpx2
import pytest
from sqlalchemy import URL, Engine

from service.auth.identity import Scope
from service.auth.key import key_sha256, new_key
from service.auth.sessions import COOKIE
from service.database_url import sqlite_url
from service.db.access import api_keys
from service.db.engine import open_engine, transaction
from service.db.tables import Study
from service.operations.access.api_keys import revoke_key
from tests.fakes.rows import add_study
from tests.waiting import wait_until

STUDY = "a" * 32
SERVE = """
import sys, uvicorn
from pathlib import Path
from service.app import create_app
from service.settings import Settings
settings = Settings(data_directory=Path(sys.argv[2]))
uvicorn.run(create_app(settings), host="127.0.0.1", port=int(sys.argv[1]), log_level="warning")
"""


class Server(NamedTuple):
    """A server with keys, in a process of its own."""

    url: str
    engine: Engine

    def make_key(self, name: str, *scopes: Scope) -> str:
        key = new_key()
        with transaction(self.engine) as session:
            api_keys.add_key(
                session,
                name,
                name,
                key_sha256(key),
                now=datetime.now(UTC),
                scopes=list(scopes),
                projects=["default"],
            )
        return key

    def revoke(self, name: str) -> None:
        with transaction(self.engine) as session:
            revoke_key(session, name, now=datetime.now(UTC))

    def get(self, path: str, key: str) -> httpx2.Response:
        return httpx2.get(f"{self.url}{path}", headers={"Authorization": f"Bearer {key}"})


@pytest.fixture(scope="module")
def server(
    tmp_path_factory: pytest.TempPathFactory, make_tables: Callable[[URL], None]
) -> Iterator[Server]:
    data = tmp_path_factory.mktemp("server")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    url = sqlite_url(data / "metaopt.db")
    make_tables(url)
    engine = open_engine(url)
    with transaction(engine) as session:
        add_study(session, STUDY, name="watched")
    found = Server(f"http://127.0.0.1:{port}", engine)
    found.make_key("first", Scope.READ)
    process = subprocess.Popen([sys.executable, "-c", SERVE, str(port), str(data)])
    try:
        wait_until(lambda: is_up(found.url), 90, what="the server")
        yield found
    finally:
        process.terminate()
        process.wait(timeout=30)
        engine.dispose()


def is_up(url: str) -> bool:
    try:
        return httpx2.get(f"{url}/healthz").status_code == 200
    except httpx2.TransportError:
        return False


LOOKS = """() => {
  const style = getComputedStyle(document.documentElement), card = document.querySelector(".card");
  return [style.fontFamily, style.backgroundColor, style.color, getComputedStyle(card).boxShadow];
}"""


@pytest.mark.browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_looks_as_the_pages_behind_it(chromium: Any, server: Server, scheme: str) -> None:
    key = server.make_key(f"looks-{scheme}", Scope.READ)
    context = chromium.new_context(color_scheme=scheme)
    page = context.new_page()
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.goto(f"{server.url}/")
    looks = page.evaluate(LOOKS)
    assert page.evaluate("document.querySelector('h1 img').naturalWidth") > 0
    assert not any("Content Security Policy" in text for text in said)
    page.get_by_label("API key").fill(key)
    page.get_by_role("button", name="Log in").click()
    page.locator(".card").first.wait_for()
    assert page.evaluate(LOOKS) == looks
    context.close()


@pytest.mark.browser
def test_a_browser_logs_in_pauses_a_study_and_logs_out(
    chromium: Any, server: Server, tmp_path: Path
) -> None:
    key = server.make_key("me", Scope.SUBMIT)
    context = chromium.new_context()
    page = context.new_page()
    page.goto(f"{server.url}/")
    assert page.url == f"{server.url}/login?next=%2F"
    page.get_by_label("API key").fill(key[:-1] + ("a" if key[-1] != "a" else "b"))
    page.get_by_role("button", name="Log in").click()
    page.get_by_text("its checksum is wrong").wait_for()
    page.get_by_label("API key").fill(key)
    page.get_by_role("button", name="Log in").click()
    page.get_by_role("link", name="watched").first.click()
    page.get_by_role("button", name="Pause").click()
    page.get_by_role("button", name="Resume").wait_for()
    with transaction(server.engine) as session:
        assert session.get_one(Study, STUDY).status == "paused"
    [cookie] = context.cookies()
    assert (cookie["name"], cookie["httpOnly"], cookie["sameSite"]) == (COOKIE, True, "Lax")
    assert 0 < cookie["expires"] - time.time() <= 8 * 3600 + 60
    assert page.evaluate("document.cookie") == ""
    headers = {"Cookie": f"{COOKIE}={cookie['value']}"}
    verb = f"{server.url}/api/v1/studies/{STUDY}:resume"
    for origin in ({}, {"Origin": "https://evil.example"}):  # not from a page of ours
        assert httpx2.post(verb, headers={**headers, **origin}).status_code == 403
    page.screenshot(path=tmp_path / "page.png")
    page.get_by_role("button", name="Log out").click()
    page.get_by_label("API key").wait_for()
    page.goto(f"{server.url}/")
    assert "/login" in page.url
    assert httpx2.get(f"{server.url}/api/v1/studies", headers=headers).status_code == 401
    context.close()


def test_a_revoked_key_is_dead_within_a_second_and_so_are_its_sessions_and_streams(
    server: Server,
) -> None:
    key = server.make_key("short", Scope.SUBMIT)
    wait_until(lambda: server.get("/api/v1/studies", key).status_code == 200, 5, what="the key")
    form, origin = {"key": key, "next": "//evil.example"}, {"Origin": server.url}
    login = httpx2.post(f"{server.url}/login", data=form, headers=origin)
    assert (login.status_code, login.headers["location"]) == (303, "/")
    cookie = {"Cookie": login.headers["set-cookie"].partition(";")[0]}
    assert httpx2.get(f"{server.url}/api/v1/studies", headers=cookie).status_code == 200
    events = f"{server.url}/api/v1/studies/{STUDY}/events"
    bearer = {"Authorization": f"Bearer {key}"}
    with (
        httpx2.stream("GET", events, headers=bearer, timeout=20) as by_key,
        httpx2.stream("GET", events, headers=cookie, timeout=20) as by_cookie,
    ):
        streams = [stream.iter_lines() for stream in (by_key, by_cookie)]
        for lines in streams:
            assert next(lines).startswith("id:")
        revoked_at = time.monotonic()
        server.revoke("short")
        for lines in streams:  # nothing happens to the study: they end by themselves
            assert not any(line.startswith(":") for line in lines)  # before the next heartbeat
        assert time.monotonic() - revoked_at < 5.0  # 1 where nothing else runs
    assert server.get("/api/v1/studies", key).status_code == 401
    assert httpx2.get(f"{server.url}/api/v1/studies", headers=cookie).status_code == 401
