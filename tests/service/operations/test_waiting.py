"""Why a queued study waits, and for how long."""

from datetime import timedelta
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine, update
from sqlalchemy.event import listen

from service.db.dispatcher import acquire, database_now, tell_slots_of
from service.db.engine import transaction
from service.db.plugins.rows import tell_present
from service.db.tables import DispatcherRow, Spending
from service.planning.time_left import fresh_trainings, seconds_left
from tests.fakes.described import algorithm, needed
from tests.fakes.rows import NOON, add_study, add_trial
from tests.fakes.specs import SMALL, small_spec

FIRST, SECOND, THIRD = ("a" * 32, "b" * 32, "c" * 32)


def live(engine: Engine, *, ago: timedelta = timedelta(0)) -> None:
    with transaction(engine) as session:
        acquire(session, "test", lambda holder: True)
        at = database_now(session) - ago
        session.execute(update(DispatcherRow).values(refreshed_at=at))


def queue(engine: Engine, study_id: str, *, ago: float, **changes: Any) -> None:
    with transaction(engine) as session:
        now = database_now(session)
        row = {
            "spec": SMALL,
            "status": "queued",
            "started_at": None,
            "name": study_id[:1],
            **changes,
        }
        add_study(session, study_id, created_at=now - timedelta(seconds=ago), **row)


def shown(client: TestClient, study_id: str) -> dict[str, Any]:
    found: dict[str, Any] = client.get(f"/api/v1/studies/{study_id}").json()
    return found


def test_without_a_dispatcher_it_says_so(client: TestClient, engine: Engine) -> None:
    queue(engine, FIRST, ago=5)
    waits = shown(client, FIRST)["waits"]
    assert (waits["reason"], waits["before"], waits["seconds"]) == ("dispatcher", 0, None)
    assert waits["sentence"].startswith("waits for a dispatcher: none has ever run: start")
    live(engine, ago=timedelta(seconds=40))
    queue(engine, SECOND, ago=5, status="running")
    for study_id in (FIRST, SECOND):  # one that runs stands still, too
        assert "not live" in shown(client, study_id)["waits"]["sentence"]
    live(engine)
    assert shown(client, SECOND)["waits"] is None


def test_one_whose_plugins_no_worker_has_waits_for_them_and_nobody_behind_it(
    client: TestClient, engine: Engine
) -> None:
    live(engine)
    for study_id, status in ((FIRST, "running"), (SECOND, "queued")):
        queue(engine, study_id, ago=60, status=status, plugins=[needed(algorithm())])
    queue(engine, THIRD, ago=5)
    for study_id in (FIRST, SECOND):
        waits = shown(client, study_id)["waits"]
        assert (waits["reason"], waits["before"]) == ("plugins", 0)
        assert "plug-in pulled of toys 1.0 (sha256:111111111111)" in waits["sentence"]
        assert "METAOPT_PLUGINS" in waits["sentence"]
    assert shown(client, THIRD)["waits"]["before"] == 0
    with transaction(engine) as session:
        tell_present(session, [algorithm()], now=NOON)
    assert shown(client, FIRST)["waits"] is None
    assert shown(client, SECOND)["waits"]["reason"] == "studies"


def test_one_that_requires_what_no_slot_has_says_so_and_nobody_waits_behind_it(
    client: TestClient, engine: Engine
) -> None:
    live(engine)
    slots = [{"name": "cpu:0", "place": "CPU", "device": "cpu", "labels": {"pool": "day"}}]
    with transaction(engine) as session:
        tell_slots_of(session, {"slots": slots})
    requires = {"device": "cpu", "memory": None, "labels": {"pool": "night"}}
    for study_id, status in ((FIRST, "running"), (SECOND, "queued")):
        queue(engine, study_id, ago=60, status=status, requires=requires)
    queue(engine, THIRD, ago=5)
    for study_id in (FIRST, SECOND):
        waits = shown(client, study_id)["waits"]
        assert (waits["reason"], waits["before"]) == ("requires", 0)
        assert "waits for a slot with label pool=night, which none has" in waits["sentence"]
    assert shown(client, THIRD)["waits"]["before"] == 0
    with transaction(engine) as session:
        tell_slots_of(session, {"slots": [{**slots[0], "labels": {"pool": "night"}}]})
    assert shown(client, FIRST)["waits"] is None
    assert shown(client, SECOND)["waits"]["reason"] == "studies"


def test_the_studies_before_it_are_named_with_the_time_that_they_take(
    client: TestClient, engine: Engine
) -> None:
    live(engine)
    queue(engine, FIRST, ago=100, status="running", name="long")
    with transaction(engine) as session:
        session.add(Spending(study_id=FIRST, wall_seconds=60.0, meta_iterations=540))
        add_trial(session, 0, "completed", study_id=FIRST)
    queue(engine, SECOND, ago=50, name="next")
    queue(engine, THIRD, ago=10, name="last")
    waits = shown(client, SECOND)["waits"]
    assert (waits["reason"], waits["before"]) == ("studies", 1)
    assert waits["behind"] == [{"study_id": FIRST, "name": "long", "status": "running"}]
    # 540 of 6 x 180 are trained in a minute; four fresh trainings of 180 come after the rest.
    assert waits["seconds"] == pytest.approx(60 + 4 * 180 / 9)
    assert waits["sentence"] == "waits behind 1 study, long (running): about 2 min 20 s at most"
    running = shown(client, FIRST)
    assert running["waits"] is None and running["seconds_left"] == waits["seconds"]
    last = shown(client, THIRD)["waits"]
    assert last["before"] == 2 and last["seconds"] is None
    assert last["sentence"] == (
        "waits behind 2 studies, long (running), next (queued): how long is not known yet"
    )
    listed = client.get("/api/v1/studies").json()["items"]
    assert [item["waits"] and item["waits"]["before"] for item in listed] == [2, 1, None]


def test_the_first_in_the_line_is_next_and_says_when_no_slot_takes_it(
    client: TestClient, engine: Engine
) -> None:
    live(engine)
    queue(engine, FIRST, ago=5)
    assert shown(client, FIRST)["waits"]["sentence"] == "is next: it begins when a slot is free"
    queue(engine, SECOND, ago=120)
    assert "no slot has taken it for a while" in shown(client, SECOND)["waits"]["sentence"]
    assert shown(client, FIRST)["waits"]["before"] == 1


def test_what_is_left_shrinks_with_what_was_trained() -> None:
    spec = small_spec(pruning={"kind": "none"})
    given = {"wall_seconds": 10.0, "search_ended": False, "fresh": {}}
    assert seconds_left(spec, meta_iterations=0, **given) is None
    half = seconds_left(spec, meta_iterations=540, **given)
    assert half == pytest.approx(10 + fresh_trainings(spec) * 180 / 54)
    ended = {"wall_seconds": 10.0, "search_ended": True, "fresh": {"completed": 3, "running": 1}}
    assert seconds_left(spec, meta_iterations=540, **ended) == pytest.approx(180 / 54)


def test_budgets_and_gates_have_a_say_in_what_is_left() -> None:
    given = {"wall_seconds": 10.0, "meta_iterations": 540, "search_ended": False, "fresh": {}}
    verdict = {**SMALL["verdict"], "seeds": 1, "finalists": 1}
    budget = {"trials": 6, "meta_iterations": 180, "wall_seconds": 12}
    short = small_spec(pruning={"kind": "none"}, verdict=verdict, budget=budget)
    assert seconds_left(short, **given) == pytest.approx(2 + 180 / 54)
    less = {**budget, "wall_seconds": None, "total_meta_iterations": 594}
    capped = small_spec(pruning={"kind": "none"}, verdict=verdict, budget=less)
    assert seconds_left(capped, **given) == pytest.approx(1 + 180 / 54)
    gated = small_spec(verdict=verdict, gates={"rules": ["at-least:1"], "seeds": 5})
    assert fresh_trainings(gated) == 1 + 5


def test_however_long_the_queue_each_is_told_its_place_in_a_few_queries(
    client: TestClient, engine: Engine
) -> None:
    live(engine)
    queue(engine, FIRST, ago=1000, status="running")
    for number in range(60):
        queue(engine, f"{number:032x}", ago=500 - number, name=f"{number}")
    rows: list[int] = []
    listen(client.app.state.context.engine, "after_cursor_execute", lambda *_: rows.append(1))
    client.get("/api/v1/studies?limit=5")
    few = len(rows)
    listed = client.get("/api/v1/studies?limit=30").json()["items"]
    assert [row["waits"]["before"] for row in listed] == list(range(60, 30, -1))
    behind = [[one["name"] for one in row["waits"]["behind"]] for row in listed]
    assert behind == [["a", *map(str, range(19))]] * 30
    assert len(rows) <= 2 * few
    third = shown(client, f"{2:032x}")["waits"]
    assert (third["before"], [one["name"] for one in third["behind"]]) == (3, ["a", "0", "1"])
