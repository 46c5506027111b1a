"""webhooks list, test, deliveries; and what the doctor and serve say about the file."""

import json
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine

from service.cli.findings.finding import Level
from service.cli.findings.storage import webhooks
from service.db.engine import transaction
from service.notifications.notifier import new_delivery
from service.wire.views.notifications import notification_of_test
from tests.fakes.rows import NOON
from tests.service.cli.conftest import Command

ENTRY: dict[str, Any] = {
    "name": "ci",
    "url": "https://hooks.example.com/t0ken",
    "secret": "0123456789-s3cret",
    "events": ["study_completed", "gate_failed"],
}


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Write a webhooks file and name it, before the server starts."""
    path = tmp_path / "webhooks.json"
    path.write_text(json.dumps([ENTRY]))
    path.chmod(0o600)
    monkeypatch.setenv("METAOPT_WEBHOOKS_FILE", str(path))
    return path


def fail(engine: Engine) -> None:
    with transaction(engine) as session:
        row = new_delivery("ci", notification_of_test(NOON), "d" * 32, NOON)
        row.status, row.attempts, row.last_error = "failed", 1, "answered 410"
        session.add(row)


def test_webhooks_are_listed(file: Path, metaopt: Command, api: Engine) -> None:
    fail(api)
    said = metaopt("webhooks", "list")
    assert said.code == 0
    header, line = said.out.splitlines()
    assert header.split()[:3] == ["name", "host", "events"]
    assert line.split()[:3] == ["ci", "hooks.example.com", "study_completed,gate_failed"]
    assert line.endswith("failed (answered 410)")


def test_a_server_without_webhooks_says_how_to_have_some(metaopt: Command, api: Engine) -> None:
    said = metaopt("webhooks", "list")
    assert said.code == 0 and "METAOPT_WEBHOOKS_FILE" in said.err


def test_a_test_prints_the_deliverys_id(file: Path, metaopt: Command, api: Engine) -> None:
    said = metaopt("webhooks", "test", "ci")
    assert said.code == 0
    listed = metaopt("webhooks", "deliveries", "--webhook", "ci", "--status", "pending")
    assert listed.out.splitlines()[1].split()[0] == said.out.strip()


def test_a_webhook_that_is_not_there_is_a_usage_error(
    file: Path, metaopt: Command, api: Engine
) -> None:
    for name, said in (("other", "there are ci"), ("a/b", "cannot be the name")):
        answer = metaopt("webhooks", "test", name)
        assert (answer.code, answer.out) == (2, "")
        assert said in answer.err


def test_deliveries_are_written_as_json(
    file: Path, metaopt: Command, api: Engine, tmp_path: Path
) -> None:
    fail(api)
    said = metaopt("webhooks", "deliveries", "--json", str(tmp_path / "out.json"))
    assert "failed (answered 410)" in said.out
    document = json.loads((tmp_path / "out.json").read_text())
    assert [one["status"] for one in document] == ["failed"]
    alone = metaopt("webhooks", "deliveries", "--json", "-", "--limit", "1")
    assert json.loads(alone.out) == document
    assert (
        json.loads(metaopt("webhooks", "deliveries", "--status", "pending", "--json", "-").out)
        == []
    )
    assert metaopt("webhooks", "deliveries", "--status", "sent").code == 2


def test_the_doctor_names_the_webhooks_of_a_good_file(metaopt: Command, file: Path) -> None:
    (finding,) = webhooks()
    assert finding.level == Level.OK and finding.text == f"ci in {file}"


def test_the_doctor_warns_of_a_file_that_everybody_can_read(metaopt: Command, file: Path) -> None:
    file.chmod(0o644)
    warning, found = webhooks()
    assert (warning.level, found.level) == (Level.WARN, Level.OK)
    assert "chmod o-rwx" in warning.remedy


def test_the_doctor_finds_a_broken_rule(metaopt: Command, file: Path) -> None:
    file.write_text(json.dumps([{**ENTRY, "url": "http://hooks.example.com/t0ken"}]))
    (finding,) = webhooks()
    assert finding.level == Level.FAIL
    assert "ci.url must begin with https://" in finding.text and "t0ken" not in finding.text


def test_the_doctor_says_that_there_are_none(metaopt: Command) -> None:
    (finding,) = webhooks()
    assert finding.level == Level.OK and "METAOPT_WEBHOOKS_FILE" in finding.text


@pytest.mark.parametrize("command", ["serve", "api"])
def test_a_server_with_a_broken_file_does_not_start(
    metaopt: Command, file: Path, command: str
) -> None:
    assert metaopt("db", "upgrade").code == 0
    file.write_text("[]]")
    said = metaopt(command, "--port", "0")
    assert (said.code, said.out) == (2, "")
    assert "webhooks.json: is not valid JSON" in said.err
