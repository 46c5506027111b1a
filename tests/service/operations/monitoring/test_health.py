"""Ready means: database there, schema at head, a dispatcher alive by the database's clock."""

import re
from datetime import timedelta
from pathlib import Path

from fastapi.testclient import TestClient
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import Engine, text, update

from service.db.dispatcher import acquire, database_now, tell_slots_of
from service.db.engine import transaction
from service.db.plugins.rows import tell_present
from service.db.tables import DispatcherRow
from service.notifications.notifier import new_delivery, utc_now
from service.operations import schedules
from service.operations.monitoring.health import FINE, readiness
from service.wire.views.notifications import notification_of_test
from tests.fakes.described import algorithm, refused
from tests.fakes.rows import NOON, add_study, add_trial
from tests.fakes.schedules import new_schedule

MINUTE = timedelta(minutes=1)


def test_a_live_dispatcher_makes_it_ready_until_it_falls_silent(engine: Engine) -> None:
    assert "none has ever run" in readiness(engine)["dispatcher"].text
    with transaction(engine) as session:
        acquire(session, "test", lambda holder: False)
    assert set(readiness(engine)) == {"database", "schema", "dispatcher"}
    assert set(readiness(engine).values()) == {FINE}
    with transaction(engine) as session:
        old = database_now(session) - timedelta(seconds=11)
        session.execute(update(DispatcherRow).values(refreshed_at=old))
    assert readiness(engine)["dispatcher"] == (
        "not live: its last sign of life is 11 s old",
        False,
    )


def test_it_tells_the_slots_and_what_does_not_work(client: TestClient, engine: Engine) -> None:
    with transaction(engine) as session:
        epoch = acquire(session, "test", lambda holder: False)
        assert epoch is not None
        slots = [{"name": "cuda:0", "place": "GPU 0 (A)"}]
        broken = [{"name": "GPU 1 (B)", "cause": "it is worn out"}]
        tell_slots_of(session, {"slots": slots, "broken": broken})
    said = client.get("/readyz").json()
    assert said["slots"] == "1 slot on GPU 0 (A)"
    assert said["devices"] == "GPU 1 (B) does not work: it is worn out"
    lines = client.get("/metrics").text.splitlines()
    assert 'metaopt_slots{state="working"} 1.0' in lines
    assert 'metaopt_slots{state="broken"} 1.0' in lines


def test_it_tells_which_plugins_cannot_be_used(client: TestClient, engine: Engine) -> None:
    with transaction(engine) as session:
        assert acquire(session, "test", lambda holder: False) is not None
        tell_present(session, [algorithm()], now=NOON)
    assert "plugins" not in client.get("/readyz").json()
    with transaction(engine) as session:
        tell_present(session, [algorithm(), refused(why="it is not allowed")], now=NOON)
    said = client.get("/readyz")
    assert said.status_code == 200  # all else can be trained
    assert said.json()["plugins"] == "cannot be used: other: it is not allowed"


def test_it_is_not_ready_while_no_slot_works(client: TestClient, engine: Engine) -> None:
    with transaction(engine) as session:
        epoch = acquire(session, "test", lambda holder: False)
        assert epoch is not None
        out = {"name": "cuda:0", "place": "GPU 0 (A)", "cause": "it fell off the bus"}
        tell_slots_of(session, {"slots": [out]})
    answer = client.get("/readyz")
    assert (answer.status_code, answer.json()["detail"]) == (
        503,
        "slots: none works; devices: cuda:0 does not work: it fell off the bus",
    )


def test_a_successor_has_not_told_its_slots_yet(engine: Engine) -> None:
    with transaction(engine) as session:
        epoch = acquire(session, "test", lambda holder: False)
        assert epoch is not None
        tell_slots_of(session, {"slots": []})
        acquire(session, "next", lambda holder: True)
    assert "slots" not in readiness(engine)


def test_an_old_schema_is_not_ready(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(text("DELETE FROM mo_alembic_version"))
    assert "metaopt db upgrade" in readiness(engine)["schema"].text


def test_metrics_count_studies_and_trials_by_status(client: TestClient, engine: Engine) -> None:
    with transaction(engine) as session:
        add_study(session)
        add_study(session, "b" * 32, status="queued")
        add_trial(session, 0, "diverged")
    lines = client.get("/metrics").text.splitlines()
    assert 'metaopt_studies{status="running"} 1.0' in lines
    assert 'metaopt_trials{status="diverged"} 1.0' in lines
    assert 'metaopt_trials{status="failed"} 0.0' in lines
    assert "metaopt_queue_depth 1.0" in lines
    assert "metaopt_dispatcher_live 0.0" in lines


def test_metrics_tell_of_schedules_and_webhooks(client: TestClient, engine: Engine) -> None:
    assert "metaopt_oldest_pending_delivery_seconds 0.0" in client.get("/metrics").text
    with transaction(engine) as session:
        schedules.add_schedule(session, new_schedule(), schedule_id="5" * 32, now=NOON)
        schedules.run_now(session, "5" * 32, now=NOON)
        test = new_delivery("ci", notification_of_test(NOON), "d" * 32, utc_now() - 2 * MINUTE)
        session.add(test)
    lines = client.get("/metrics").text.splitlines()
    assert 'metaopt_schedule_runs{status="waiting"} 1.0' in lines
    assert 'metaopt_deliveries{status="pending"} 1.0' in lines
    assert 'metaopt_deliveries{status="failed"} 0.0' in lines
    (waits,) = [line for line in lines if line.startswith("metaopt_oldest_pending_delivery")]
    assert 120 <= float(waits.split()[1]) < 240


def test_metrics_tell_how_long_the_oldest_study_waits_and_who_answers(
    client: TestClient, engine: Engine
) -> None:
    assert "metaopt_queue_wait_seconds 0.0" in client.get("/metrics").text
    with transaction(engine) as session:
        for number, minutes in ((1, 2), (2, 1)):
            queued_at = utc_now() - minutes * MINUTE
            add_study(session, f"{number:032x}", status="queued", created_at=queued_at)
    text = client.get("/metrics").text
    (waits,) = [line for line in text.splitlines() if line.startswith("metaopt_queue_wait")]
    assert 120 <= float(waits.split()[1]) < 240
    assert re.search(r'^metaopt_build_info\{.*revision="[0-9]{4}".*\} 1\.0$', text, re.MULTILINE)


def test_requests_are_counted_by_pattern_and_by_how_long_they_wait(client: TestClient) -> None:
    for _ in range(3):
        client.get(f"/api/v1/studies/{'0' * 32}")
    client.get("/nowhere/at/all")
    client.request("BREW", "/api/v1/studies")
    families = text_string_to_metric_families(client.get("/metrics").text)
    (family,) = [one for one in families if one.name == "metaopt_request_seconds"]
    counts = {
        (one.labels["method"], one.labels["route"], one.labels["status"]): one.value
        for one in family.samples
        if one.name.endswith("_count")
    }
    assert counts["GET", "/api/v1/studies/{study_id}", "404"] == 3
    assert {route for _, route, _ in counts} >= {"other"}
    assert not any("nowhere" in route or "0000" in route for _, route, _ in counts)
    assert {method for method, _, _ in counts} <= {"GET", "other"}
    slowest = [one for one in family.samples if one.labels.get("le") == "+Inf"]
    assert sum(one.value for one in slowest) == sum(counts.values()) == 5


def test_every_metric_is_in_the_docs(client: TestClient) -> None:
    families = text_string_to_metric_families(client.get("/metrics").text)
    told = {family.name for family in families}
    page = (Path(__file__).parents[4] / "docs" / "troubleshooting.md").read_text()
    assert told == set(re.findall(r"^\| `(metaopt_[a-z_]+)", page, re.MULTILINE))
