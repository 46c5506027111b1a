"""The whole application: every route behind the gate, no torch, every error a problem."""

import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute
from fastapi.testclient import TestClient
from sqlalchemy import Engine
from starlette.routing import Mount, Route

from service.app import create_app
from service.auth.gate import OPEN_PATHS
from service.auth.key import key_sha256, new_key
from service.auth.policy import READ
from service.db.engine import transaction
from service.settings import Settings
from tests.fakes.local import local_client
from tests.fakes.rows import add_study

KEY = new_key()
MOUNTED = ["/dashboard", "/api/studies", "/api/meta", "/static/bundle.js", "/csv/1", "/nowhere"]


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    return sqlite_url  # nothing here depends on the kind of database


@pytest.fixture
def locked(
    tmp_path: Path, sqlite_url: str, make_tables: Callable[[str], None]
) -> Iterator[FastAPI]:
    """Return an application with one key, on SQLite."""
    keys = tmp_path / "keys"
    keys.write_text(f"# for tests\nme:{key_sha256(KEY)}\n")
    make_tables(sqlite_url)
    yield create_app(Settings(data_directory=tmp_path, database_url=sqlite_url, api_keys_file=keys))


def every_route(app: FastAPI) -> list[tuple[str, str]]:
    """Return (method, path) of every route, with parameters filled in; mounts by known paths."""
    found = []
    for route in [*app.routes, *app.state.own_routes]:
        if isinstance(route, Mount):
            found += [(method, path) for path in MOUNTED for method in ("GET", "POST", "DELETE")]
        elif isinstance(route, Route):
            path = route.path.format(
                study_id="a" * 32,
                schedule_id="b" * 32,
                trial_number=0,
                name="app.js",
                reference="kana",
                sha256="0" * 64,
            )
            found += [(method, path) for method in route.methods or ()]
    return [(method, path) for method, path in found if path not in OPEN_PATHS]


def test_every_route_but_healthz_needs_the_key(locked: FastAPI) -> None:
    with local_client(locked, raise_server_exceptions=False) as client:
        routes = every_route(locked)
        assert len(routes) > 30
        for method, path in routes:
            response = client.request(method, path)
            assert response.status_code == 401, (method, path)
            assert response.headers.get_list("www-authenticate") != []
            if method != "HEAD":
                assert response.json()["code"] == "unauthenticated"
            right = client.request(
                method, path, headers={"Authorization": f"Bearer {KEY}"}, params={"after": 0}
            )
            assert right.status_code not in (401, 403), (method, path)
        assert client.get("/healthz").json() == {"status": "ok"}


def test_no_answer_may_be_taken_for_another_type(locked: FastAPI) -> None:
    key = {"Authorization": f"Bearer {KEY}"}
    asked = [*every_route(locked), ("GET", "/healthz"), ("GET", "/login"), ("POST", "/login")]
    with local_client(locked, raise_server_exceptions=False) as client:
        large = client.post("/api/v1/studies", content=b"x" * 2**21, headers=key)
        assert large.status_code == 413
        answers = [large]
        for method, path in asked:
            answers += [client.request(method, path, headers=headers) for headers in ({}, key)]
    sniffed = [a for a in answers if a.headers.get_list("x-content-type-options") != ["nosniff"]]
    assert [(one.request.method, one.url.path, one.status_code) for one in sniffed] == []


def test_the_routes_listed_are_all_that_the_document_names(locked: FastAPI) -> None:
    documented = {path.split("{")[0] for path in locked.openapi()["paths"]}
    routes = {path for _, path in every_route(locked)} | OPEN_PATHS
    assert documented
    assert all(any(route.startswith(path) for route in routes) for path in documented)


def test_no_page_may_load_anything_from_elsewhere(client: TestClient, engine: Engine) -> None:
    with transaction(engine) as session:
        add_study(session)
    for path in ("/", "/docs", "/dashboard", f"/api/v1/studies/{'a' * 32}/report.html"):
        answer = client.get(path)
        assert answer.headers["content-type"].startswith("text/html"), path
        policy = answer.headers["content-security-policy"]
        assert policy.startswith("default-src '"), path
        assert not re.search(r"https?:|//|\*", policy), path
    assert client.get("/redoc").status_code == 404


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/nowhere", 404, "not-found"),
        ("GET", "/api/v1/nowhere", 404, "not-found"),
        ("POST", "/healthz", 405, "method-not-allowed"),
        ("DELETE", "/api/v1/studies", 405, "method-not-allowed"),
        ("PUT", f"/api/v1/studies/{'a' * 32}", 405, "method-not-allowed"),
        ("DELETE", "/api/studies/1", 405, "method-not-allowed"),
        ("GET", "/api/v1/studies?limit=501", 422, "invalid-request"),
        ("GET", "/readyz", 503, "not-ready"),
    ],
)
def test_every_error_is_a_problem(
    client: TestClient, method: str, path: str, status: int, code: str
) -> None:
    response = client.request(method, path)
    assert response.status_code == status
    assert response.headers["content-type"] == "application/problem+json"
    assert response.json()["code"] == code
    if status == 405:
        assert "GET" in response.headers["allow"]


def test_a_database_without_tables_is_answered_with_a_problem(tmp_path: Path) -> None:
    app = create_app(Settings(data_directory=tmp_path))
    with local_client(app, raise_server_exceptions=False) as client:
        response = client.get("/api/v1/studies")
        assert response.status_code == 503
        assert response.json()["code"] == "schema-outdated"
        assert response.headers["retry-after"]
        assert client.get("/healthz").status_code == 200


def test_a_server_error_says_an_id_and_nothing_else(locked: FastAPI) -> None:
    def fail() -> None:
        raise RuntimeError("secret /path")

    locked.router.routes.insert(0, APIRoute("/fail", fail, dependencies=READ))
    with local_client(locked, raise_server_exceptions=False) as client:
        response = client.get("/fail", headers={"Authorization": f"Bearer {KEY}"})
    assert response.status_code == 500
    assert response.json()["code"] == "internal-error"
    assert "secret" not in response.text and "Traceback" not in response.text


def test_the_api_process_never_loads_torch(tmp_path: Path) -> None:
    program = """
import sys
from fastapi.testclient import TestClient
from service.app import create_app
from service.db.engine import transaction
from service.db.schema import migrate
from service.settings import Settings
from tests.fakes.rows import SPEC

settings = Settings(data_directory=sys.argv[1])
migrate.upgrade(settings.url())
with TestClient(create_app(settings), "http://localhost") as client:
    assert client.post("/api/v1/studies", json=SPEC).status_code == 202
    for path in ("/api/v1/studies", "/metrics", "/", "/dashboard", "/api/studies"):
        assert client.get(path).status_code == 200, path
assert "torch" not in sys.modules
print("no torch")
"""
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True, timeout=300
    )
    assert done.stdout == "no torch\n", done.stderr
