"""Every route, from the routing table, asked with every kind of key: who comes in, and how far.

A route that is added is asked, too; one without a policy fails when the application is made, and
one that changes something without a scenario here fails `test_every_change_leaves_a_row`.
"""

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import optuna_dashboard._app as optuna_app
import pytest
from fastapi import APIRouter, FastAPI, Response
from optuna.storages import InMemoryStorage
from sqlalchemy import Engine, select, text
from sqlalchemy.exc import DBAPIError
from starlette.routing import Mount

from metaopt.data import arrays as files
from service.app import create_app
from service.auth.failures import Failures
from service.auth.gate import OPEN_PATHS
from service.auth.identity import Scope
from service.auth.key import new_key
from service.auth.policy import READ, check_policies, every_route, policy_of
from service.db.engine import reading, transaction
from service.db.tables import AuditRow, Base
from service.settings import Settings
from tests.fakes.access import (
    MISSING,
    NAME,
    OWN_ROUTES,
    RUNNING,
    SCHEDULE,
    STUDY,
    THERE,
    Answer,
    Asked,
    Keys,
    ask,
    asked,
    make_server,
    packed,
)
from tests.fakes.local import local_client
from tests.fakes.rows import add_study
from tests.fakes.specs import SPEC

API = "/api/v1"
BODIES = {
    f"{API}/baselines/{{name}}:promote": {"study_id": STUDY},
    f"{API}/baselines/{{name}}:roll-back": {"version": 1},
    f"{API}/studies/{{study_id}}": {"budget": {"trials": 100}},
}
IF_MATCH = {"If-Match": "*"}


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    return sqlite_url  # who comes in does not depend on the kind of database


@pytest.fixture
def server(settings: Settings, engine: Engine, tmp_path: Path) -> Iterator[tuple[FastAPI, Keys]]:
    app, keys = make_server(settings, engine, tmp_path / "server")
    app.state.failures._at.clear()
    yield app, keys
    app.state.dashboard.close()
    app.state.context.engine.dispose()


def dashboard_routes() -> list[tuple[str, str]]:
    """Each route of Optuna Dashboard: method, and a path."""
    routes = optuna_app.create_app(InMemoryStorage()).routes
    filled = [
        (r.method, re.sub(r"<[^>]*>", "1", r.rule.replace("<:re:(/.*)?>", ""))) for r in routes
    ]
    assert len(filled) > 20
    return filled


def body_of(one: Asked) -> bytes:
    return json.dumps(BODIES.get(one.template, {})).encode()


def rows(engine: Engine) -> dict[str, Any]:
    """Everything in our tables, but for keys, sessions and the audit log."""
    skip = ("mo_audit", "mo_sessions", "mo_api_keys")
    with engine.connect() as connection:
        return {
            name: sorted(map(repr, connection.execute(table.select())))
            for name, table in Base.metadata.tables.items()
            if name not in skip
        }


def test_without_a_right_key_nothing_answers_but_what_is_open(
    server: tuple[FastAPI, Keys], engine: Engine
) -> None:
    app, keys = server
    wrong = {
        "none": None,
        "malformed": "mok_short",
        "unknown": new_key(),
        "revoked": keys.revoked,
        "expired": keys.expired,
    }
    before = rows(engine)
    paths = [(one.method, one.path(THERE), one.policy) for one in asked()]
    paths += [(method, path, None) for method, path in dashboard_routes()]
    paths += [("GET", "/nothing", None), ("GET", "/static/nothing.js", None)]
    passed = []
    for kind, key in wrong.items():
        app.state.failures._at.clear()
        for method, path, _ in paths:
            status = ask(app, method, path, key=key).status
            if status not in (401, 429) and path not in OPEN_PATHS:
                passed.append((kind, method, path, status))
    assert passed == []
    public = {route.path for route in OWN_ROUTES if policy_of(route).scope is None}
    assert public == OPEN_PATHS
    assert ask(app, "GET", "/healthz").status == ask(app, "GET", "/login").status == 200
    assert rows(engine) == before


def test_each_route_takes_the_scope_that_it_declares_and_no_less(
    server: tuple[FastAPI, Keys], engine: Engine
) -> None:
    app, keys = server
    before, wrong = rows(engine), []
    holders = {Scope.READ: keys.reader, Scope.SUBMIT: keys.right, None: None}
    less = {Scope.READ: keys.worker, Scope.SUBMIT: keys.reader, Scope.ADMIN: keys.right}
    reads = []
    for one in asked():
        if one.policy is None or one.policy.scope is None:
            continue
        path = one.path(THERE)
        refused = ask(app, one.method, path, key=less[one.policy.scope], body=body_of(one))
        if refused.status != 403 or refused.json()["code"] != "forbidden":
            wrong.append((one, refused.status))
        if one.policy.everywhere and ask(app, one.method, path, key=keys.foreign).status != 403:
            wrong.append((one, "a key of one project"))
        reads.append((one, path))
    assert wrong == []
    assert rows(engine) == before
    for one, path in reads:
        holder = holders.get(one.policy.scope, keys.everywhere)
        key = keys.everywhere if one.policy.everywhere else holder
        if ask(app, one.method, path, key=key, body=body_of(one)).status in (401, 403):
            wrong.append(one)
    assert wrong == []


def test_what_is_another_project_s_looks_as_if_it_never_was(
    server: tuple[FastAPI, Keys], engine: Engine
) -> None:
    app, keys = server
    before, told = rows(engine), []
    for one in asked():
        if one.policy is None or one.policy.everywhere:
            continue
        there, missing = (
            plain(
                ask(
                    app,
                    one.method,
                    one.path(values),
                    key=keys.foreign,
                    body=body_of(one)
                    if values is THERE
                    else body_of(one).replace(b"a" * 32, b"c" * 32),
                    headers=IF_MATCH,
                )
            )
            for values in (THERE, MISSING)
        )
        if there != missing or ("{" in one.template and there[0] not in (200, 404, 405, 413, 422)):
            told.append((one, there, missing))
        if "{" in one.template and "/ui/" not in one.template and there[0] == 200:
            told.append((one, there))
    assert told == []
    assert rows(engine) == before


def plain(answer: Answer) -> tuple[int, str]:
    """An answer without what differs from call to call, or is what was asked for."""
    said = answer.body.decode()
    for name in {*THERE.values(), *MISSING.values()} - {"0"}:
        said = said.replace(name, "ID")
    return answer.status, said


def test_other_ways_to_another_project_s_things_find_nothing(
    server: tuple[FastAPI, Keys], engine: Engine
) -> None:
    app, keys = server

    def foreign(method: str, path: str, body: Any = None) -> Answer:
        return ask(app, method, path, key=keys.foreign, body=json.dumps(body or {}).encode())

    for reference in (STUDY, STUDY[:8], NAME, "last"):
        answer = foreign("GET", f"{API}/studies:find?{urlencode({'ref': reference})}")
        assert (answer.status, answer.json()["code"]) == (404, "study-not-found")
        assert foreign("GET", f"{API}/studies/{reference}/trials").status == 404
    near = foreign("GET", f"{API}/studies:find?ref={NAME[:-1]}")  # no "did you mean"
    assert NAME not in near.json()["detail"].replace(repr(NAME[:-1]), "")
    for path in ("studies", "schedules", "baselines", "webhooks", "deliveries", "datasets"):
        assert foreign("GET", f"{API}/{path}").json()["items"] == []
    assert ask(app, "GET", f"{API}/studies", key=keys.right).json()["items"]
    naming = [
        {"warm_start": {"studies": [NAME]}},
        {"warm_start": {"studies": [STUDY]}},
        {"warm_start": {"baselines": [NAME]}},
        {"gates": {"baseline": NAME}},
        {"tasks": {"kind": "dataset", "dataset": NAME, "n_way": 2, "k_shot": 1}},
        {"tasks": {"kind": "dataset", "dataset": f"sha256:{packed().manifest.digest}"}},
    ]
    for change in naming:
        for path in ("studies", "studies/preview"):
            answer = foreign("POST", f"{API}/{path}", {**SPEC, **change})
            assert answer.status == 422, answer.body
    # Its own of the same name are its own, and a name of a project that it is not for is refused.
    own = foreign("POST", f"{API}/studies", {**SPEC, "name": NAME})
    assert own.status == 202
    assert foreign("GET", f"{API}/studies/{NAME}").json()["study_id"] == own.json()["study_id"]
    elsewhere = {"Metaopt-Project": "default"}
    assert ask(app, "GET", f"{API}/studies", key=keys.foreign, headers=elsewhere).status == 403
    everywhere = ask(app, "GET", f"{API}/studies/{NAME}", key=keys.everywhere, headers=elsewhere)
    assert everywhere.json()["study_id"] == STUDY


def test_metrics_are_of_all_projects(server: tuple[FastAPI, Keys], engine: Engine) -> None:
    app, keys = server
    with transaction(engine) as session:
        add_study(session, "e" * 32, status="queued", project="vision")
    said = ask(app, "GET", "/metrics", key=keys.everywhere).body.decode()
    assert 'metaopt_studies{status="queued"} 1.0' in said.splitlines()


def test_the_dashboard_changes_nothing_and_shows_no_project_alone(
    server: tuple[FastAPI, Keys],
) -> None:
    app, keys = server
    mutating = [(m, p) for m, p in dashboard_routes() if m not in ("GET", "HEAD")]
    assert len(mutating) >= 12
    for method, path in mutating:
        assert ask(app, method, path, key=keys.everywhere).status in (404, 405), path
    for method, path in dashboard_routes():
        if path.startswith(("/api/", "/dashboard", "/static", "/csv")):
            assert ask(app, method, path, key=keys.foreign).status in (403, 404, 405), path
    for path in ("/dashboard", "/api/studies", "/api/studies/1", "/static/bundle.js", "/csv/1"):
        assert ask(app, "GET", path, key=keys.foreign).status == 403


def test_every_change_leaves_a_row(
    settings: Settings, server: tuple[FastAPI, Keys], engine: Engine
) -> None:
    app, keys = server
    templates = [f"{one.method} {one.template}" for one in asked() if one.changes()]
    with reading(engine) as session:
        already = len(session.scalars(select(AuditRow)).all())
    done = {}
    for name, perform in scenarios(app, keys).items():
        answer = perform()
        assert answer.status < 400, (name, answer)
        with reading(engine) as session:
            found = session.scalars(select(AuditRow).order_by(AuditRow.audit_id)).all()[already:]
            session.expunge_all()
        assert [row.action for row in found] == [name]
        [row] = found
        assert row.request_id == answer.headers["x-request-id"]
        assert row.api_key_id in ("right", "everywhere")
        done[name] = row.changed
        already += 1
    assert set(done) == set(templates)
    assert done[f"POST {API}/studies/{{study_id}}:pause"] == {
        "study_id": RUNNING,
        "status": ["running", "paused"],
    }
    listed = ask(app, "GET", f"{API}/audit?limit=500", key=keys.everywhere).json()["items"]
    assert {one["action"] for one in listed[: len(done)]} == set(done)
    assert not set(keys) & set(re.findall(r"mok_\w+", json.dumps(listed)))


def scenarios(app: FastAPI, keys: Keys) -> dict[str, Callable[[], Answer]]:
    """For each route that changes something, a request that does."""

    def by(key: str, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        sent = body if isinstance(body, bytes) else json.dumps(body or {}).encode()
        return ask(app, method, path, key=key, body=sent, headers=headers)

    def do(method: str, path: str, body: Any = None, **headers: str) -> Callable[[], Answer]:
        return lambda: by(keys.right, method, f"{API}{path}", body, **headers)

    cookies: list[str] = []

    def log_in() -> Answer:
        form = urlencode({"key": keys.right, "next": "/"}).encode()
        answer = ask(app, "POST", "/login", body=form, headers={"origin": "http://localhost"})
        cookies.append(answer.headers["set-cookie"].partition(";")[0])
        return answer

    def log_out() -> Answer:
        headers = {"cookie": cookies[0], "origin": "http://localhost"}
        return ask(app, "POST", "/logout", headers=headers)

    data = packed()
    blob = b"".join(files.pieces(data.arrays))
    manifest = {"name": "mine", "manifest": json.loads(data.manifest.to_json())}
    schedule = {"name": "other", "cron": "0 * * * *", "spec": SPEC}
    study, its = f"/studies/{RUNNING}", "/studies/{study_id}"
    test = lambda: by(keys.everywhere, "POST", f"{API}/webhooks/{NAME}:test")  # noqa: E731
    return {
        f"POST {API}/studies": do("POST", "/studies", SPEC),
        f"PATCH {API}{its}": do("PATCH", study, {"budget": {"trials": 99}}, **IF_MATCH),
        f"POST {API}{its}:pause": do("POST", f"{study}:pause"),
        f"POST {API}{its}:resume": do("POST", f"{study}:resume"),
        f"POST {API}{its}:cancel": do("POST", f"{study}:cancel"),
        f"POST {API}/baselines/{{name}}:promote": do(
            "POST", f"/baselines/{NAME}:promote", {"study_id": STUDY}
        ),
        f"POST {API}/baselines/{{name}}:roll-back": do("POST", f"/baselines/{NAME}:roll-back"),
        f"POST {API}/schedules": do("POST", "/schedules", schedule),
        f"POST {API}/schedules/{{schedule_id}}:pause": do("POST", f"/schedules/{SCHEDULE}:pause"),
        f"POST {API}/schedules/{{schedule_id}}:resume": do("POST", f"/schedules/{SCHEDULE}:resume"),
        f"POST {API}/schedules/{{schedule_id}}:run-now": do(
            "POST", f"/schedules/{SCHEDULE}:run-now"
        ),
        f"DELETE {API}/schedules/{{schedule_id}}": do("DELETE", f"/schedules/{SCHEDULE}"),
        f"POST {API}/webhooks/{{name}}:test": test,
        f"PUT {API}/datasets/blobs/{{sha256}}": do(
            "PUT", f"/datasets/blobs/{data.manifest.arrays}", blob
        ),
        f"POST {API}/datasets": do("POST", "/datasets", manifest),
        f"DELETE {API}/datasets/{{reference}}": do("DELETE", "/datasets/mine"),
        "POST /login": log_in,
        "POST /logout": log_out,
    }


def test_a_row_of_the_audit_log_stays_as_it_is(engine: Engine) -> None:
    with transaction(engine) as session:
        session.execute(
            text(
                "INSERT INTO mo_audit (created_at, request_id, api_key_id, key_name, via, project, "
                "action, object) VALUES ('2026-01-02', '', '', '', 'key', '', 'x', 'y')"
            )
        )
    for statement in ("UPDATE mo_audit SET action = 'z'", "DELETE FROM mo_audit"):
        with pytest.raises(DBAPIError, match="append-only"), transaction(engine) as session:
            session.execute(text(statement))


def test_a_route_without_a_policy_stops_the_start() -> None:
    router = APIRouter()
    router.get("/new")(lambda: None)
    with pytest.raises(TypeError, match="declares no policy"):
        check_policies(router.routes)


def of_the_application(app: FastAPI) -> None:
    app.get("/new")(lambda: None)


def of_a_router(app: FastAPI) -> None:
    router, inner = APIRouter(), APIRouter()
    router.get("/fine", dependencies=READ)(lambda: None)
    inner.get("/new")(lambda: None)
    router.include_router(inner)
    app.include_router(router, prefix="/more")


def mounted(app: FastAPI) -> None:
    app.mount("/new", FastAPI())


def of_starlette(app: FastAPI) -> None:
    app.add_route("/new", lambda request: Response())


def of_a_socket(app: FastAPI) -> None:
    app.websocket("/new")(lambda socket: None)


@pytest.mark.parametrize(
    "add", [of_the_application, of_a_router, mounted, of_starlette, of_a_socket]
)
def test_a_route_without_a_policy_stops_the_start_wherever_it_was_added(
    settings: Settings, engine: Engine, add: Callable[[FastAPI], None]
) -> None:
    app = create_app(settings)
    add(app)
    with pytest.raises(TypeError, match="declares no policy"), local_client(app):
        pass


def test_the_routing_table_that_is_asked_here_is_the_application_s(
    server: tuple[FastAPI, Keys],
) -> None:
    app, _ = server
    *others, dashboard = every_route(app.routes)
    assert others == app.state.own_routes == OWN_ROUTES
    assert isinstance(dashboard, Mount) and dashboard.app is app.state.dashboard


def test_wrong_keys_are_told_to_wait_and_a_right_one_comes_in(
    server: tuple[FastAPI, Keys],
) -> None:
    app, keys = server
    statuses = [ask(app, "GET", f"{API}/studies", key=new_key()) for _ in range(12)]
    assert [answer.status for answer in statuses] == [401] * 10 + [429] * 2
    assert 0 < int(statuses[-1].headers["retry-after"]) <= 60
    assert ask(app, "GET", f"{API}/studies", key=keys.right).status == 200


def test_failures_are_forgotten_after_a_minute_and_kept_of_few_addresses() -> None:
    clock = [0.0]
    failures = Failures(lambda: clock[0])
    for number in range(10):
        failures.count(f"2001:db8::{number:x}")  # of one /64
    with pytest.raises(Exception, match="wait 60 s"):
        failures.count("2001:db8::ff")
    clock[0] = 60.0
    failures.count("2001:db8::ff")
    for number in range(20_000):
        failures.count(f"10.0.{number // 256}.{number % 256}")
    assert len(failures._at) <= 10_000
