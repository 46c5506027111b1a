"""A server with two projects, keys of every kind, and something of everything; asked in process."""

import asyncio
import atexit
import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple
from urllib.parse import unquote

from fastapi import FastAPI
from sqlalchemy import Engine

from metaopt.data.pack import Packed
from metaopt.data.reading import read
from metaopt.data.store import DataStore
from service.app import ROUTERS, create_app
from service.auth.identity import Scope
from service.auth.key import key_sha256, new_key
from service.auth.policy import Policy, policy_of
from service.db.access import api_keys
from service.db.access.projects import within
from service.db.engine import transaction
from service.operations.access.api_keys import revoke_key
from service.operations.schedules import add_schedule
from service.settings import Settings
from tests.fakes.pictures import animals, write_files
from tests.fakes.rows import (
    add_baseline,
    add_report,
    add_study,
    add_trial,
    add_winner,
    end_trial,
    finish_study,
)
from tests.fakes.schedules import new_schedule

STUDY, RUNNING, SCHEDULE = "a" * 32, "d" * 32, "b" * 32
NAME = "nobody-else-knows"
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
THERE = {
    "study_id": STUDY,
    "trial_number": "0",
    "name": NAME,
    "schedule_id": SCHEDULE,
    "sha256": "0" * 64,
    "reference": NAME,
}
MISSING = {
    **THERE,
    "study_id": "c" * 32,
    "name": "never-was",
    "schedule_id": "c" * 32,
    "reference": "never-was",
}
OWN_ROUTES = [route for router in ROUTERS for route in router.routes]


class Answer(NamedTuple):
    """What a server answered."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


class Asked(NamedTuple):
    """A method and the template of a path, and the policy of the route for it, if there is one."""

    method: str
    template: str
    policy: Policy | None

    def path(self, values: Mapping[str, str]) -> str:
        return self.template.format(**values)

    def changes(self) -> bool:
        is_read = self.method in ("GET", "HEAD", "OPTIONS") or self.template.endswith("/preview")
        return self.policy is not None and not is_read


class Keys(NamedTuple):
    """One key of each kind."""

    right: str
    everywhere: str
    reader: str
    worker: str
    foreign: str
    revoked: str
    expired: str


def asked() -> Iterator[Asked]:
    """Each path of the routing table with every method, whether there is a route for it or not."""
    found: dict[str, dict[str, Policy | None]] = {}
    for route in OWN_ROUTES:
        methods = found.setdefault(route.path, dict.fromkeys(METHODS))  # type: ignore[attr-defined]
        for method in route.methods:  # type: ignore[attr-defined]
            methods[method] = policy_of(route)
    for template, methods in found.items():
        for method, policy in methods.items():
            yield Asked(method, template, policy)


def make_server(settings: Settings, engine: Engine, folder: Path) -> tuple[FastAPI, Keys]:
    """An application whose project `default` has one of each thing, and `vision` nothing."""
    folder.mkdir(parents=True, exist_ok=True)
    webhooks = folder / "webhooks.yaml"
    url = "https://hooks.example.com/x"
    hook = {"name": NAME, "url": url, "secret": "s" * 16, "events": ["study_failed"]}
    webhooks.write_text(json.dumps([hook]))
    webhooks.chmod(0o600)
    DataStore(settings.data_sets()).add(packed(), NAME)
    _fill(engine)
    keys = _make_keys(engine)
    return create_app(settings.model_copy(update={"webhooks_file": webhooks})), keys


@cache
def packed() -> Packed:
    """A small data set."""
    with TemporaryDirectory() as folder:
        return read(write_files(Path(folder), animals("cat dog cow hen pig fox", each=4)))[1]


def ask(
    app: FastAPI,
    method: str,
    path: str,
    *,
    key: str | None = None,
    body: bytes = b"{}",
    headers: Mapping[str, str] | None = None,
) -> Answer:
    """Ask an application as a server would, without one: a millisecond or two."""
    sent = {"host": "localhost", "content-type": "application/json", **(headers or {})}
    if key is not None:
        sent["authorization"] = f"Bearer {key}"
    return _runner().run(_ask(app, method, path, sent, body))


@cache
def _runner() -> asyncio.Runner:
    """One loop, and its threads, for all that is asked: a new one each time would take longer."""
    runner = asyncio.Runner()
    atexit.register(runner.close)
    return runner


async def _ask(
    app: FastAPI, method: str, path: str, headers: Mapping[str, str], body: bytes
) -> Answer:
    plain, _, query = path.partition("?")
    scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": unquote(plain),
        "raw_path": plain.encode(),
        "query_string": query.encode(),
        "root_path": "",
        "headers": [(name.lower().encode(), value.encode()) for name, value in headers.items()],
        "client": ("192.0.2.1", 1),
        "server": ("localhost", 80),
        "state": {},
    }
    sent = [{"type": "http.request", "body": body, "more_body": False}]
    got: list[Any] = []

    async def receive() -> Any:
        if sent:
            return sent.pop()
        await asyncio.sleep(3600)  # whoever waits for the client to leave is cancelled at the end

    async def send(message: Any) -> None:
        got.append(message)

    await app(scope, receive, send)
    start = got[0]
    heads = {name.decode().lower(): value.decode() for name, value in start["headers"]}
    return Answer(start["status"], heads, b"".join(m.get("body", b"") for m in got[1:]))


def _fill(engine: Engine) -> None:
    now = datetime.now(UTC)
    with transaction(engine) as session:
        study = add_study(session, STUDY, name=NAME)
        trial = add_trial(session, 0)
        add_report(session, trial, 90, 0.5)
        end_trial(session, trial, "completed")
        for number in (1, 2):
            fresh = add_trial(session, number, role="verdict", source_trial_number=0)
            add_report(session, fresh, 90, 0.5 + number / 100)
            end_trial(session, fresh, "completed")
        finish_study(session, study, 0)
        add_winner(session, study)
        add_study(session, RUNNING, name=f"{NAME}-running")
        for _ in range(2):
            add_baseline(session, NAME)
        with within(session, "default"):
            add_schedule(session, new_schedule(name=NAME), schedule_id=SCHEDULE, now=now)


def _make_keys(engine: Engine) -> Keys:
    keys = Keys(*(new_key() for _ in Keys._fields))
    now = datetime.now(UTC)
    own, all_projects = ["default"], None
    kinds: dict[str, tuple[list[str], list[str] | None]] = {
        "right": ([Scope.SUBMIT], own),
        "everywhere": ([Scope.ADMIN], all_projects),
        "reader": ([Scope.READ], own),
        "worker": ([Scope.WORKER], own),
        "foreign": ([Scope.ADMIN], ["vision"]),
        "revoked": ([Scope.ADMIN], all_projects),
        "expired": ([Scope.ADMIN], all_projects),
    }
    with transaction(engine) as session:
        for kind, (scopes, projects) in kinds.items():
            api_keys.add_key(
                session,
                kind,
                kind,
                key_sha256(getattr(keys, kind)),
                now=now,
                scopes=scopes,
                projects=projects,
                expires_at=now - timedelta(seconds=1) if kind == "expired" else None,
            )
        session.flush()
        revoke_key(session, "revoked", now=now)
    return keys
