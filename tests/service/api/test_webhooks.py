"""Webhooks and deliveries over HTTP."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine, func, select

from service.app import create_app
from service.db.engine import reading, transaction
from service.db.tables import Delivery
from service.errors import WebhooksUnreadable
from service.notifications.notifier import new_delivery
from service.settings import Settings
from service.wire.views.notifications import notification_of_test
from tests.fakes.local import local_client
from tests.fakes.rows import NOON

ENTRY: dict[str, Any] = {
    "name": "ci",
    "url": "https://hooks.example.com/t0ken?key=qu3ry",
    "secret_file": "/nowhere/that/the/api/may/read",
    "events": ["study_completed", "gate_failed"],
}


@pytest.fixture
def settings(tmp_path: Path, database_url: str) -> Settings:
    """Return settings with two webhooks."""
    file = tmp_path / "webhooks.json"
    file.write_text(json.dumps([ENTRY, {**ENTRY, "name": "chat", "events": ["drift_detected"]}]))
    return Settings(data_directory=tmp_path, database_url=database_url, webhooks_file=file)


def add(engine: Engine, delivery_id: str, webhook: str = "ci", **changes: Any) -> None:
    with transaction(engine) as session:
        row = new_delivery(webhook, notification_of_test(NOON), delivery_id, NOON)
        for name, value in changes.items():
            setattr(row, name, value)
        session.add(row)


def test_webhooks_are_listed_by_name_host_and_events(client: TestClient, engine: Engine) -> None:
    add(engine, "1" * 32)
    add(
        engine, "2" * 32, created_at=NOON + timedelta(1), status="failed", last_error="answered 410"
    )
    ci, chat = client.get("/api/v1/webhooks").json()["items"]
    assert (ci["name"], ci["host"], ci["events"]) == ("ci", "hooks.example.com", ENTRY["events"])
    assert set(ci) == {"name", "host", "events", "last_delivery"}
    assert ci["last_delivery"]["delivery_id"] == "2" * 32
    assert ci["last_delivery"]["last_error"] == "answered 410"
    assert (chat["name"], chat["last_delivery"]) == ("chat", None)


def test_a_test_is_queued_once_until_it_has_ended(client: TestClient, engine: Engine) -> None:
    first = client.post("/api/v1/webhooks/ci:test")
    again = client.post("/api/v1/webhooks/ci:test")
    assert (first.status_code, again.status_code) == (202, 202)
    view = first.json()
    assert (view["event"], view["status"], view["attempts"]) == ("test", "pending", 0)
    assert view["study_id"] is None and view["next_attempt_at"] is not None
    assert again.json()["delivery_id"] == view["delivery_id"]
    with transaction(engine) as session:
        row = session.get_one(Delivery, view["delivery_id"])
        assert json.loads(row.body)["delivery_id"] == view["delivery_id"]
        assert json.loads(row.body)["event"] == "test"
        row.status = "delivered"
    third = client.post("/api/v1/webhooks/ci:test").json()
    assert third["delivery_id"] != view["delivery_id"]


@pytest.mark.parametrize("name", ["other", "CI", "ci'--", "..", "c%00i"])
def test_a_webhook_that_is_not_configured_is_not_found(
    client: TestClient, engine: Engine, name: str
) -> None:
    answer = client.post(f"/api/v1/webhooks/{name}:test")
    assert answer.status_code == 404
    if name == "other":
        assert answer.json()["code"] == "webhook-not-found"
        assert "there are ci, chat" in answer.json()["detail"]
    with reading(engine) as session:
        assert session.scalar(select(func.count()).select_from(Delivery)) == 0


def test_deliveries_come_newest_first_page_by_page(client: TestClient, engine: Engine) -> None:
    for number in range(5):
        add(engine, f"{number}" * 32, created_at=NOON + timedelta(seconds=number // 2))
    found, url = [], "/api/v1/deliveries?limit=2"
    while url:
        response = client.get(url)
        found += [one["delivery_id"][0] for one in response.json()["items"]]
        url = response.links.get("next", {}).get("url")
    assert found == ["4", "3", "2", "1", "0"]
    assert "body" not in client.get("/api/v1/deliveries").json()["items"][0]


def test_deliveries_can_be_listed_by_webhook_and_status(client: TestClient, engine: Engine) -> None:
    add(engine, "1" * 32)
    add(engine, "2" * 32, webhook="gone", status="failed")
    add(engine, "3" * 32, webhook="chat", status="delivered", delivered_at=NOON)
    add(engine, "4" * 32, status="failed")

    def ids(**params: str) -> list[str]:
        items = client.get("/api/v1/deliveries", params=params).json()["items"]
        return [one["delivery_id"][0] for one in items]

    assert ids(webhook="ci") == ["4", "1"]
    assert ids(webhook="gone") == ["2"]  # the log outlives the file
    assert ids(status="failed") == ["4", "2"]
    assert ids(webhook="ci", status="pending") == ["1"]


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("webhook=C%20I", "query.webhook"),
        ("webhook=%00", "query.webhook"),
        ("status=sent", "query.status"),
        ("limit=0", "query.limit"),
    ],
)
def test_a_filter_that_fits_nothing_is_refused(client: TestClient, query: str, field: str) -> None:
    problem = client.get(f"/api/v1/deliveries?{query}").json()
    assert (problem["status"], problem["errors"][0]["field"]) == (422, field)


def test_without_a_file_there_are_no_webhooks(
    engine: Engine, tmp_path: Path, database_url: str
) -> None:
    app = create_app(Settings(data_directory=tmp_path, database_url=database_url))
    with local_client(app) as client:
        assert client.get("/api/v1/webhooks").json() == {"items": []}
        problem = client.post("/api/v1/webhooks/ci:test").json()
        assert (problem["status"], problem["code"]) == (404, "webhook-not-found")
        assert "METAOPT_WEBHOOKS_FILE" in problem["detail"]


def test_a_broken_file_stops_the_start(tmp_path: Path, sqlite_url: str) -> None:
    file = tmp_path / "webhooks.json"
    file.write_text(json.dumps([{**ENTRY, "events": ["everything"]}]))
    with pytest.raises(WebhooksUnreadable, match="must be one of study_completed"):
        create_app(Settings(database_url=sqlite_url, webhooks_file=file))
