"""A model of the API: two projects whose users submit, steer, extend, look and remove at random.

What the API answers is foretold by a dozen lines of plain data.  Each key asks for what belongs to
the other project as often as for its own, and must be told that there is nothing of the kind.
"""

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any, NamedTuple

import pytest
from fastapi import FastAPI
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    multiple,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import Engine

from service.app import create_app
from service.auth.key import key_sha256, new_key
from service.db.access import api_keys
from service.db.engine import transaction
from service.settings import Settings
from tests.fakes.access import Answer, ask
from tests.fakes.specs import SPEC
from tests.properties import examples
from tests.waiting import wait_until

EXAMPLES, STEPS = examples(40), 30
API = "/api/v1"
PROJECTS = ("a", "b")
MOVES = {
    "cancel": ({"queued", "paused", "cancelled"}, "cancelled"),
    "pause": ({"queued", "paused"}, "paused"),
    "resume": ({"queued", "paused"}, "queued"),
}
MISSING = "c" * 32

who = st.sampled_from([(project, number) for project in PROJECTS for number in range(2)])
Who = tuple[str, int]


class Server(NamedTuple):
    """An application, and how to get two API keys for each of two new projects."""

    app: FastAPI
    new_keys: Callable[[], dict[Who, str]]


@pytest.fixture
def server(settings: Settings, engine: Engine) -> Iterator[Server]:
    app = create_app(settings)
    pool: list[dict[Who, str]] = []
    made = 0

    def new_keys() -> dict[Who, str]:
        nonlocal made
        if not pool:
            with transaction(engine) as session:
                for _ in range(EXAMPLES + 20):
                    pool.append(_add_keys(session, made))
                    made += 1
            last = pool[-1]["b", 1]
            wait_until(lambda: ask(app, "GET", f"{API}/identity", key=last).status == 200)
        return pool.pop()

    yield Server(app, new_keys)
    app.state.dashboard.close()
    app.state.context.engine.dispose()


def _add_keys(session: Any, number: int) -> dict[Who, str]:
    keys = {(project, one): new_key() for project in PROJECTS for one in range(2)}
    for (project, one), key in keys.items():
        name = f"{number}-{project}-{one}"
        own = [f"{number}-{project}"]
        api_keys.add_key(
            session,
            name,
            name,
            key_sha256(key),
            now=datetime.now(UTC),
            scopes=["submit"],
            projects=own,
            expires_at=None,
        )
    return keys


class Study:
    """What is foretold of a study."""

    def __init__(self, study_id: str, project: str, trials: int) -> None:
        self.study_id, self.project, self.trials = study_id, project, trials
        self.status, self.version = "queued", 1


class Schedule(NamedTuple):
    """What is foretold of a schedule."""

    schedule_id: str
    project: str
    name: str
    hour: int


class Model(RuleBasedStateMachine):
    """Two projects of a server that it shares with those of other examples."""

    studies = Bundle("studies")
    schedules = Bundle("schedules")
    server: Server

    def __init__(self) -> None:
        super().__init__()
        self.keys = self.server.new_keys()
        self.all: list[Study] = []
        self.used: dict[tuple[str, str], tuple[int, Study, bytes]] = {}
        self.there: list[Schedule] = []

    def ask(self, who: Who, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        sent = b"" if body is None else json.dumps(body).encode()
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        answer = ask(
            self.server.app, method, API + path, key=self.keys[who], body=sent, headers=named
        )
        assert answer.status < 500, (method, path, answer)
        return answer

    @rule(
        target=studies,
        who=who,
        key=st.sampled_from([None, "one", "two"]),
        trials=st.sampled_from([4, 8]),
    )
    def submit(self, who: Who, key: str | None, trials: int) -> Any:
        body = {**SPEC, "budget": {**SPEC["budget"], "trials": trials}}
        headers = {} if key is None else {"Idempotency_Key": key}
        answer = self.ask(who, "POST", "/studies", body, **headers)
        before = self.used.get((who[0], key)) if key else None
        if before is not None:
            first, study, told = before
            if first != trials:
                assert (answer.status, answer.json()["code"]) == (422, "idempotency-conflict")
            else:
                assert (answer.status, answer.body) == (202, told), study
            return multiple()
        assert answer.status == 202, answer
        study = Study(answer.json()["study_id"], who[0], trials)
        assert study.study_id not in {one.study_id for one in self.all}
        self.all.append(study)
        if key:
            self.used[who[0], key] = trials, study, answer.body
        return study

    @rule(who=who, study=studies, verb=st.sampled_from(sorted(MOVES)))
    def steer(self, who: Who, study: Study, verb: str) -> None:
        answer = self.ask(who, "POST", f"/studies/{study.study_id}:{verb}")
        if not self._is_own(who, study, answer):
            return
        sources, wanted = MOVES[verb]
        if study.status not in sources:
            assert (answer.status, answer.json()["code"]) == (409, "transition-impossible")
            return
        study.version += study.status != wanted
        study.status = wanted
        self._is_as_foretold(study, answer)

    @rule(
        who=who,
        study=studies,
        trials=st.sampled_from([4, 8, 16]),
        seen=st.sampled_from(["now", "before", "nothing"]),
    )
    def extend(self, who: Who, study: Study, trials: int, seen: str) -> None:
        etags = {"now": study.version, "before": study.version - 1}
        headers = {"If_Match": f'"{etags[seen]}"'} if seen in etags else {}
        patch = {"budget": {"trials": trials}}
        answer = self.ask(who, "PATCH", f"/studies/{study.study_id}", patch, **headers)
        if not self._is_own(who, study, answer):
            return
        if seen != "now":
            assert answer.status == {"before": 412, "nothing": 428}[seen]
        elif study.status == "cancelled":
            assert (answer.status, answer.json()["code"]) == (409, "search-over")
        else:
            study.version += trials != study.trials
            study.trials = trials
            self._is_as_foretold(study, answer)

    @rule(who=who, study=studies)
    def look(self, who: Who, study: Study) -> None:
        answer = self.ask(who, "GET", f"/studies/{study.study_id}")
        if self._is_own(who, study, answer):
            self._is_as_foretold(study, answer)
            result = self.ask(who, "GET", f"/studies/{study.study_id}/result")
            expected = "result-impossible" if study.status == "cancelled" else "result-not-ready"
            assert result.json()["code"] == expected, result

    @rule(
        who=who,
        study=studies,
        below=st.sampled_from(
            ["trials", "asks", "report", "result", "timeline", "export", "weights"]
        ),
    )
    def look_below(self, who: Who, study: Study, below: str) -> None:
        answer = self.ask(who, "GET", f"/studies/{study.study_id}/{below}")
        self._is_own(who, study, answer)

    @rule(who=who, status=st.sampled_from([None, "queued", "paused", "cancelled"]))
    def list_all(self, who: Who, status: str | None) -> None:
        found: list[str] = []
        query = "limit=2" if status is None else f"limit=2&status={status}"
        cursor = ""
        while True:
            page = self.ask(who, "GET", f"/studies?{query}{cursor}").json()
            found += [one["study_id"] for one in page["items"]]
            if page["next_cursor"] is None:
                break
            cursor = f"&cursor={page['next_cursor']}"
        own = [one for one in self.all if one.project == who[0]]
        expected = [one.study_id for one in own if status in (None, one.status)]
        assert sorted(found) == sorted(expected) and len(set(found)) == len(found)

    @rule(who=who)
    def find_last(self, who: Who) -> None:
        answer = self.ask(who, "GET", "/studies:find")
        own = [one for one in self.all if one.project == who[0]]
        assert answer.status == (200 if own else 404)
        if own:
            assert answer.json()["study_id"] in {one.study_id for one in own}

    @rule(
        target=schedules,
        who=who,
        name=st.sampled_from(["nightly", "weekly"]),
        hour=st.sampled_from([3, 4]),
    )
    def add_schedule(self, who: Who, name: str, hour: int) -> Any:
        spec = {**SPEC, "branches": SPEC["branches"][:1]}
        new = {"name": name, "cron": f"0 {hour} * * *", "spec": spec}
        answer = self.ask(who, "POST", "/schedules", new)
        before = [one for one in self.there if (one.project, one.name) == (who[0], name)]
        if before and before[0].hour != hour:
            assert (answer.status, answer.json()["code"]) == (409, "schedule-exists")
            return multiple()
        assert answer.status == 201, answer
        if before:
            assert answer.json()["schedule_id"] == before[0].schedule_id
            return multiple()
        schedule = Schedule(answer.json()["schedule_id"], who[0], name, hour)
        self.there.append(schedule)
        return schedule

    @rule(who=who, schedule=schedules, verb=st.sampled_from(["pause", "resume"]))
    def steer_schedule(self, who: Who, schedule: Schedule, verb: str) -> None:
        answer = self.ask(who, "POST", f"/schedules/{schedule.schedule_id}:{verb}")
        is_there = schedule in self.there and schedule.project == who[0]
        assert answer.status == (200 if is_there else 404), answer

    @rule(who=who, schedule=schedules)
    def remove_schedule(self, who: Who, schedule: Schedule) -> None:
        answer = self.ask(who, "DELETE", f"/schedules/{schedule.schedule_id}")
        is_there = schedule in self.there and schedule.project == who[0]
        assert answer.status == (200 if is_there else 404), answer
        if is_there:
            self.there.remove(schedule)

    @rule(who=who)
    def list_schedules(self, who: Who) -> None:
        page = self.ask(who, "GET", "/schedules").json()
        own = {one.schedule_id for one in self.there if one.project == who[0]}
        assert {one["schedule_id"] for one in page["items"]} == own

    def _is_own(self, who: Who, study: Study, answer: Answer) -> bool:
        """Whether it is the project's; else it was answered as what never was."""
        if study.project == who[0]:
            return True
        never = self.ask(who, "GET", f"/studies/{MISSING}")
        assert answer.status == never.status == 404
        ours, missing = answer.body.decode(), never.body.decode()
        assert ours.replace(study.study_id, "") == missing.replace(MISSING, "")
        return False

    def _is_as_foretold(self, study: Study, answer: Answer) -> None:
        assert answer.status == 200, answer
        view = answer.json()
        assert (view["study_id"], view["status"]) == (study.study_id, study.status)
        assert view["spec"]["budget"]["trials"] == study.trials
        assert answer.headers["etag"] == f'"{study.version}"'


@pytest.mark.hypothesis
def test_the_api_does_what_its_model_foretells(server: Server) -> None:
    class Here(Model):
        pass

    Here.server = server
    run_state_machine_as_test(
        Here,
        settings=hypothesis_settings(
            max_examples=EXAMPLES,
            stateful_step_count=STEPS,
            deadline=None,
            derandomize=True,
            suppress_health_check=list(HealthCheck),
            database=None,
        ),
    )
