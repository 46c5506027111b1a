"""Proxies in front of a real server: whose word counts, and what for."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from service.auth.failures import MOST_FAILURES
from service.auth.key import key_sha256, new_key
from tests.fakes.servers import Answer, ApiProcess

KEY = new_key()
HTTPS = {"X-Forwarded-Proto": "https"}
Start = Callable[..., ApiProcess]


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    return sqlite_url  # proxies do not depend on the kind of database


@pytest.fixture
def start(sqlite_url: str, make_tables: Callable[[str], None], tmp_path: Path) -> Iterator[Start]:
    keys = tmp_path / "keys"
    keys.write_text(f"me:{key_sha256(KEY)}\n")
    make_tables(sqlite_url)
    started = []

    def start(**settings: str) -> ApiProcess:
        settings["METAOPT_API_KEYS_FILE"] = str(keys)
        started.append(ApiProcess(sqlite_url, tmp_path / "data", **settings))
        return started[-1]

    yield start
    for api in started:
        api.kill()


def guess(api: ApiProcess, forwarded_for: str) -> int:
    """Come with a wrong key."""
    headers = {"Authorization": f"Bearer {new_key()}", "X-Forwarded-For": forwarded_for}
    return api.send("GET", "/api/v1/studies", headers=headers).status


def log_in(api: ApiProcess, **headers: str) -> Answer:
    answer = api.send("POST", "/login", data={"key": KEY}, headers={"Origin": api.url, **headers})
    assert answer.status == 303
    return answer


def test_by_default_nobody_is_believed_what_is_forwarded(start: Start) -> None:
    api = start(FORWARDED_ALLOW_IPS="*")  # uvicorn's own variable says nothing here
    guessed = [guess(api, f"203.0.113.{number}") for number in range(MOST_FAILURES + 2)]
    assert guessed == [401] * MOST_FAILURES + [429] * 2
    assert "secure" not in log_in(api, **HTTPS).headers["set-cookie"].lower()


def test_a_trusted_proxy_says_that_it_is_https_and_who_asks(start: Start) -> None:
    api = start(METAOPT_TRUSTED_PROXIES="192.0.2.7, 127.0.0.0/8")
    cookie = log_in(api, **HTTPS).headers["set-cookie"].lower()
    assert "secure" in cookie and "httponly" in cookie and "samesite=lax" in cookie
    assert "secure" not in log_in(api).headers["set-cookie"].lower()
    for number in range(MOST_FAILURES + 2):  # each from elsewhere
        assert guess(api, f"203.0.113.{number}") == 401
    # What a client writes there itself stands before what the proxy adds.
    forged = [guess(api, f"198.51.100.{n}, 203.0.114.1") for n in range(MOST_FAILURES + 1)]
    assert forged == [401] * MOST_FAILURES + [429]
