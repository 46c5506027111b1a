"""No command prints a time without its zone, whatever zone this machine is in."""

import json
import re
import time
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest
from sqlalchemy import Engine

from service.db.engine import transaction
from service.notifications.notifier import new_delivery
from service.wire.views.notifications import notification_of_test
from tests.fakes.rows import (
    NOON,
    add_baseline,
    add_report,
    add_study,
    add_trial,
    end_trial,
    finish_study,
)
from tests.fakes.schedules import HandClock, complete, take_over
from tests.fakes.schedules import add as add_schedule
from tests.service.cli.conftest import Command

TIME = re.compile(r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d(?::\d\d)?(?:\.\d+)?(?P<zone>\S*(?: \S+)?)")
ZONE = re.compile(r"Z[\"', ]?.*| UTC\b.*| [+-]\d\d:\d\d\b.*| Europe/Berlin\b.*")
PRINTING = [
    "studies", "show last", "show last --full", "schedule list", "schedule show hourly",
    "schedule history hourly", "baseline list", "baseline list main", "baseline show main",
    "webhooks deliveries", "report last --markdown -", "export last", "schedule run-now hourly",
    "show twin",
]  # fmt: skip
JSON = [
    "studies", "show last", "schedule list", "schedule show hourly", "schedule history hourly",
    "baseline list", "webhooks deliveries", "report last", "export last",
]  # fmt: skip


@pytest.fixture(params=["UTC", "America/St_Johns"])
def zone(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    with monkeypatch.context() as patch:
        patch.setenv("TZ", request.param)
        time.tzset()
        yield request.param
    time.tzset()


@pytest.fixture
def all_kinds(api: Engine, zone: str) -> None:
    clock = HandClock()
    add_schedule(api, clock, time_zone="Europe/Berlin")
    runner = take_over(api, clock)
    clock.go(hours=1)
    runner.step()
    complete(api, 0.5)
    with transaction(api) as session:
        study = add_study(session, created_at=clock.at.replace(year=2027))
        for digit in "bc":
            add_study(session, digit * 32, name="twin")
        trial = add_trial(session, 0)
        add_report(session, trial, 90, 0.5)
        end_trial(session, trial, "completed")
        finish_study(session, study, 0)
        add_baseline(session)
        row = new_delivery("ci", notification_of_test(NOON), "d" * 32, NOON)
        row.attempts, row.next_attempt_at = 1, NOON
        session.add(row)


def test_every_time_that_is_printed_names_its_zone(
    metaopt: Command, all_kinds: None, zone: str
) -> None:
    for command in PRINTING:
        said = metaopt(*command.split())
        times = list(TIME.finditer(f"{said.out}{said.err}"))
        assert times, command
        for found in times:
            assert ZONE.fullmatch(found["zone"]), (command, found[0])
    own = "12:00:00 UTC" if zone == "UTC" else "08:30:00 -03:30"
    assert own in metaopt("studies").out


def instants(document: Any) -> Iterator[str]:
    """Yield what stands under names that end in _at."""
    if isinstance(document, dict):
        yield from (v for k, v in document.items() if k.endswith("_at") and isinstance(v, str))
    inner = document.values() if isinstance(document, dict) else document
    for one in inner if isinstance(document, dict | list) else ():
        yield from instants(one)


def test_every_time_in_json_is_in_utc(metaopt: Command, all_kinds: None) -> None:
    for command in JSON:
        said = metaopt(*command.split(), "--json", "-")
        found = list(instants(json.loads(said.out)))
        assert found, command
        for text in found:
            assert text.endswith("Z") and datetime.fromisoformat(text).tzinfo, (command, text)
