"""Routes that the document leaves out, or that no test of it asks: whatever is sent, no 5xx.

They are drawn from the routing table: what is in no schema, what `tests.fakes.documented` leaves
out, and the paths of the Optuna Dashboard.  Header values and targets are those that a server of
HTTP/1.1 hands on: it refuses control characters itself.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

import pytest
from fastapi import FastAPI
from hypothesis import HealthCheck, event, example, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from sqlalchemy import Engine

from service.app import create_app
from service.auth.sessions import COOKIE
from service.dashboard.mount import PATHS
from service.db.engine import transaction
from service.mirror.sync import Mirror
from service.settings import Settings
from tests.fakes.access import METHODS, OWN_ROUTES, STUDY, THERE, ask, make_server
from tests.fakes.local import LOCAL
from tests.fakes.rows import add_report, add_study, add_trial, end_trial, finish_study
from tests.properties import examples

HIDDEN = sorted(
    {
        route.path  # type: ignore[attr-defined]
        for route in OWN_ROUTES
        if not route.include_in_schema  # type: ignore[attr-defined]
        or route.path.endswith(("/readyz", "/events"))  # type: ignore[attr-defined]
    }
)
DASHBOARD = [*PATHS, "/api/studies/1", "/api/studies/1/plot/", "/csv/1", "/api/studies/1/trials"]
TRICKY = ["/login", "/logout"] * 3
NO_URLS = ["[", "http://[", "//[::1", "http://[v1.x]", "http://localhost:99999", "localhost:x"]
VALUES = [
    "", "null", "*", "-1", "0", "1" * 20, "9" * 5000, "1e999", "NaN", "%", "%ff", "%00", "=", ";",
    "a=" * 50, "../" * 20, '"', '"\\', "bytes=0-", "bytes=9-1,-", 'W/"x"', "¼", "\x80\xff", ",",
    "Basic ////", "Bearer", "Bearer mok_", "Digest x", "Thu, 99 Foo 99999999999999 00:00:00 GMT",
    f"{COOKIE}=x", f'{COOKIE}="\\777"', f'{COOKIE}="', "gzip", "identity", "chunked", "websocket",
    "text/html", "application/json; charset=nothing", "multipart/form-data", "a/b", "vision",
    'multipart/form-data; boundary="', "application/x-www-form-urlencoded; charset=utf-7", "https",
    "127.0.0.1", 'for="[', *NO_URLS * 3,
]  # fmt: skip
NAMES = [
    *["host", "origin", "cookie", "authorization"] * 4, "last-event-id", "content-type",
    "content-encoding", "range", "if-range", "forwarded", "x-forwarded-for", "x-forwarded-proto",
    "x-forwarded-host", "if-match", "if-none-match", "if-modified-since", "accept",
    "accept-encoding", "accept-language", "metaopt-project", "idempotency-key", "upgrade",
    "connection", "expect", "te", "referer", "x-http-method-override", "x-requested-with",
    "sec-fetch-site", "access-control-request-method",
]  # fmt: skip
SEEN = st.characters(min_codepoint=0x21, max_codepoint=0xFF, exclude_categories=["Cc"])
LINE = st.text(SEEN, max_size=30)
QUOTED = st.text(max_size=8).map(lambda text: quote(text.encode("utf-8", "replace"), safe=""))
PARTS = [
    "", "/", "//", ".", "..", "%2e%2e", "%2f", "%00", "%ff", "%", "1", "-1", "0" * 5000, "9" * 5000,
    "%C2%B2",
]  # fmt: skip
PART = st.sampled_from(PARTS) | QUOTED
QUERY = st.lists(
    st.tuples(
        st.sampled_from(["after", "next", "ref", "wait", "limit", "cursor", "download"]) | QUOTED,
        st.sampled_from(["", "1", "x", "[", "//[", "%ff", "%00", "9" * 5000, "٣"]).map(
            lambda text: quote(text, safe="%[]/")
        )
        | QUOTED,
    ),
    max_size=6,
).map(lambda pairs: "&".join("=".join(pair) for pair in pairs))
FORM = st.lists(st.sampled_from(["key=x", "next=//[", "next=%ff", "&", ";", "=", "key", "%"])).map(
    lambda parts: "&".join(parts).encode()
)
BODIES = [b"{}", b"[" * 3000, b"{", b"\xff", b"x" * 5000, b"&" * 50]
BODY = FORM | st.binary(max_size=60) | st.sampled_from(BODIES)


class Sent(NamedTuple):
    """A request."""

    method: str
    path: str
    query: str
    headers: dict[str, str]
    body: bytes
    as_whom: str


def requests() -> st.SearchStrategy[Sent]:
    known = [path.format(**THERE) for path in HIDDEN] + DASHBOARD + TRICKY
    return st.builds(
        Sent,
        st.sampled_from([*METHODS, "GET", "GET", "POST", "TRACE", "PROPFIND", "get", "X" * 300]),
        st.builds("".join, st.tuples(st.sampled_from(known), st.just("") | PART)),
        QUERY,
        st.dictionaries(st.sampled_from(NAMES), st.sampled_from(VALUES) | LINE, max_size=4),
        BODY,
        st.sampled_from(["nobody", "wrong", "right", "session", "session"]),
    )


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    return sqlite_url  # what a client sends is read before any database


@pytest.fixture(params=["with keys", "without"])
def server(
    request: pytest.FixtureRequest, settings: Settings, engine: Engine, tmp_path: Path
) -> Iterator[tuple[FastAPI, dict[str, dict[str, str]]]]:
    """Return an application, and the headers of each of those who ask."""
    who: dict[str, dict[str, str]] = {}
    if request.param == "with keys":
        app, keys = make_server(settings, engine, tmp_path / "server")
        begun = app.state.sessions.begin(keys.everywhere, "")
        who["right"] = {"authorization": f"Bearer {keys.everywhere}"}
        who["session"] = {"cookie": f"{COOKIE}={begun.token}", "origin": LOCAL}
        who["wrong"] = {"authorization": f"Bearer {keys.revoked}"}
    else:
        with transaction(engine) as session:
            study = add_study(session, STUDY)
            trial = add_trial(session, 0)
            add_report(session, trial, 90, 0.5)
            end_trial(session, trial, "completed")
            finish_study(session, study, 0)
        app = create_app(settings)
    mirror = Mirror(settings.url())
    mirror.sync()
    mirror.close()
    yield app, who
    app.state.dashboard.close()
    app.state.context.engine.dispose()


@pytest.mark.hypothesis
def test_whatever_is_sent_to_a_hidden_route_is_no_server_error(
    server: tuple[FastAPI, dict[str, dict[str, str]]],
) -> None:
    app, who = server

    @hypothesis_settings(
        max_examples=examples(150), suppress_health_check=list(HealthCheck), database=None
    )
    @given(requests())
    @example(Sent("POST", "/login", "", {"origin": LOCAL}, b"&" * 4, "nobody"))
    @example(Sent("POST", "/logout", "", {"origin": "http://["}, b"", "nobody"))
    def check(sent: Sent) -> None:
        target = f"{sent.path}?{sent.query}" if sent.query else sent.path
        headers = {**who.get(sent.as_whom, {}), **sent.headers}
        answer = ask(app, sent.method, target, body=sent.body, headers=headers)
        event(f"{answer.status // 100}xx")
        assert answer.status < 500 or is_not_ready(sent, answer.json()), answer

    check()


def is_not_ready(sent: Sent, problem: dict[str, Any]) -> bool:
    """Whether it is what a server says that has no dispatcher."""
    return sent.path.startswith("/readyz") and problem["code"] == "not-ready"


def test_the_hidden_routes_are_those_that_are_meant() -> None:
    assert {"/", "/login", "/logout", "/docs", "/readyz"} <= set(HIDDEN)
    assert any(path.endswith("/events") for path in HIDDEN)
