"""The doctor: what it prints, what it writes, and how it ends."""

import json
from pathlib import Path

import pytest
from sqlalchemy import Engine

from service.cli.commands.doctor import exit_code
from service.cli.exits import Exit
from service.cli.findings.finding import Finding, Level
from service.db.dispatcher import acquire, tell_slots_of
from service.db.engine import transaction
from tests.service.cli.conftest import Command
from tests.service.executors.test_devices import stand_in

FAILED = [Finding(Level.FAIL, "torch", "is not installed")]
WARNED = [Finding(Level.WARN, "compiler", "is not there")]


def levels(out: str) -> dict[str, str]:
    return {
        line.split(":")[0].split(" ", 1)[1].strip(): line.split()[0] for line in out.splitlines()
    }


def test_a_fresh_machine_is_fine(metaopt: Command) -> None:
    said = metaopt("doctor")
    found = levels(said.out)
    assert said.code == 0
    assert found["torch"] == found["slots"] == found["data directory"] == "ok"
    assert found["database"] == "warn"
    assert "metaopt db upgrade" in said.out


def test_what_does_not_work_is_told_by_doctor_as_by_the_server(
    metaopt: Command, api: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed = stand_in(tmp_path, "echo 'GPU 0: A (UUID: GPU-aaaa-1)'")
    monkeypatch.setenv("PATH", listed["PATH"])
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "7")
    monkeypatch.setenv("METAOPT_SLOTS", "1")
    with transaction(api) as session:
        epoch = acquire(session, "test", lambda holder: False)
        assert epoch is not None
        place = {"name": "cpu:0", "place": "CPU"}
        cause = "CUDA_VISIBLE_DEVICES names it, but there is 1 GPU, counted from 0"
        broken = {"name": "device 7", "cause": cause}
        tell_slots_of(session, {"slots": [place], "broken": [broken]})
    said = metaopt("doctor", "--json", "-")
    assert said.code == 0
    found = {entry["subject"]: entry for entry in json.loads(said.out)}
    assert set(found["slots"]) == {"level", "subject", "text", "remedy"}
    sentence = f"device 7 does not work: {cause}"
    assert found["devices"]["text"] == sentence
    assert found["server"]["text"].endswith(sentence) and found["server"]["level"] == "warn"
    assert found["database"]["level"] == "ok" and found["database"]["remedy"] == ""
    assert "a server here has 1 slot on CPU cores" in found["slots"]["text"]


def test_findings_are_written_to_a_file_too(metaopt: Command, tmp_path: Path) -> None:
    file = tmp_path / "doctor.json"
    said = metaopt("doctor", "--json", str(file))
    subjects = [entry["subject"] for entry in json.loads(file.read_text())]
    assert [line.split(":")[0].split(" ", 1)[1].strip() for line in said.out.splitlines()] == (
        subjects
    )


def test_how_it_ends() -> None:
    assert exit_code([], []) == exit_code(WARNED, WARNED) == Exit.DONE
    assert exit_code([], FAILED) == Exit.UNREACHABLE
    assert exit_code(FAILED, FAILED) == exit_code(FAILED, []) == Exit.USAGE
