"""A team's night on a real server: schedules with gates, baselines, and a webhook that is told."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
import yaml

from service.cli.commands.demo import running_server
from service.client.client import Client
from service.notifications.signature import verify
from service.wire.spec.study import StudySpec
from service.wire.views.result import StudyResult
from service.wire.views.schedules import NewSchedule
from tests.fakes.receiver import PATH, SECRET, Receiver, receiving
from tests.fakes.specs import TINY
from tests.waiting import wait_until

pytestmark = pytest.mark.slow


class Night(NamedTuple):
    """A client of a whole server, and who is told of events."""

    client: Client
    receiver: Receiver


@pytest.fixture
def night(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Night]:
    with receiving() as receiver:
        told = {
            "name": "ci",
            "url": f"http://127.0.0.1:{receiver.port}{PATH}",
            "allow": ["127.0.0.1"],
            "secret": SECRET.decode(),
            "events": ["study_completed", "gate_failed"],
        }
        file = tmp_path / "webhooks.yaml"
        file.write_text(yaml.safe_dump([told]))
        file.chmod(0o600)
        monkeypatch.setenv("METAOPT_WEBHOOKS_FILE", str(file))
        monkeypatch.setenv("METAOPT_SLOTS", "1")
        with running_server(tmp_path / "data") as url, Client(url) as client:
            yield Night(client, receiver)


def schedule(client: Client, name: str, rule: str, **changes: object) -> str:
    gates = {**TINY["gates"], "rules": [rule], "baseline": "main", "promote": "pass"}
    spec = StudySpec.model_validate({**TINY, "name": name, "gates": gates, **changes})
    new = NewSchedule(name=name, cron="0 2 * * *", time_zone="UTC", spec=spec)
    return client.schedules.add(new).schedule_id


def run_now(client: Client, schedule_id: str) -> StudyResult:
    """Return what a run by hand found."""
    before = len(client.schedules.runs(schedule_id))
    client.schedules.run_now(schedule_id)

    def submitted() -> bool:
        runs = client.schedules.runs(schedule_id)
        return len(runs) > before and runs[0].study_id is not None

    wait_until(submitted, 30, what="the study of the run")
    study_id = client.schedules.runs(schedule_id)[0].study_id
    assert study_id is not None
    assert client.wait(study_id, 120).status == "completed"
    return client.result(study_id)


def test_a_schedule_tunes_judges_promotes_and_tells(night: Night) -> None:
    client = night.client
    nightly = schedule(client, "nightly", "no-worse:3")
    first = run_now(client, nightly)
    assert first.gates is not None and str(first.gates.promoted) == "main@1"

    second = run_now(client, nightly)
    gates = second.gates
    assert gates is not None and gates.passed and str(gates.baseline_name) == "main@1"
    assert gates.baseline is not None and not gates.baseline.stored  # other tasks each night
    assert str(gates.promoted) == "main@2"
    seeds = {client.study(str(run.study_id)).spec.seed for run in client.schedules.runs(nightly)}
    assert len(seeds) == 2

    points = client.schedules.history(nightly).points
    assert [point.baseline for point in points] == [None, "main@1"]
    assert [point.promoted for point in points] == ["main@1", "main@2"]
    assert points[1].incumbent is not None and points[1].incumbent.value > 0
    assert not any(point.drift for point in points)

    third = run_now(client, schedule(client, "bad", "at-least:0.01"))
    assert third.gates is not None and not third.gates.passed
    assert client.baselines.show("main").version == 2

    def events() -> list[str]:
        return [json.loads(got.body)["event"] for got in night.receiver.got]

    wait_until(lambda: len(events()) >= 4, 30, what="the deliveries")
    assert sorted(events()) == ["gate_failed", *["study_completed"] * 3]
    for got in night.receiver.got:
        stamp = int(got.headers["Metaopt-Signature"].split(",")[0].removeprefix("t="))
        assert verify(SECRET, got.body, got.headers["Metaopt-Signature"], now=stamp)
    (failed,) = [json.loads(g.body) for g in night.receiver.got if b"gate_failed" in g.body]
    assert failed["data"]["answers"] == {"at-least:0.01": "fail"}
    assert failed["name"].startswith("bad")
