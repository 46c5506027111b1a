"""The doctor: findings, remedies, and how it ends."""

from pathlib import Path

import pytest
from sqlalchemy import Engine

from service.cli.commands.doctor import (
    Level,
    compiler,
    describe_devices,
    devices,
    exit_code,
    server,
    storage,
)
from service.cli.exits import Exit
from tests.service.cli.conftest import Command


def levels(out: str) -> dict[str, str]:
    return {
        line.split(":")[0].split(" ", 1)[1].strip(): line.split()[0] for line in out.splitlines()
    }


def test_a_fresh_machine_is_fine(metaopt: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    said = metaopt("doctor")
    found = levels(said.out)
    assert said.code == 0
    assert found["torch"] == found["devices"] == found["data directory"] == "ok"
    assert found["database"] == "warn"
    assert "metaopt db upgrade" in said.out


def test_a_named_server_that_does_not_answer_ends_it_with_5(
    metaopt: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("METAOPT_URL", "http://127.0.0.1:9")
    (finding,) = server()
    assert finding.level == Level.FAIL
    assert "metaopt serve" in finding.remedy
    assert exit_code({server}) == Exit.UNREACHABLE


def test_a_server_without_a_dispatcher_is_found(metaopt: Command, api: Engine) -> None:
    (finding,) = server()
    assert finding.level == Level.FAIL
    assert "dispatcher" in finding.text


def test_what_is_broken_on_this_machine_weighs_more_than_the_server() -> None:
    assert exit_code({server, storage}) == Exit.USAGE
    assert exit_code(set()) == Exit.DONE


def test_a_wrong_setting_is_found(metaopt: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("METAOPT_LANES", "many")
    (finding,) = storage()
    assert finding.level == Level.FAIL
    assert finding.text.startswith("METAOPT_LANES")


def test_a_missing_compiler_is_worth_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CXX", "no-such-compiler")
    (finding,) = compiler()
    assert finding.level == Level.WARN
    assert "no-such-compiler" in finding.text and "CXX" in finding.remedy


def test_a_data_directory_that_cannot_be_made_is_found(
    metaopt: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("METAOPT_DATA_DIRECTORY", str(tmp_path / "file" / "data"))
    directory, _ = storage()
    assert directory.level == Level.FAIL
    assert "METAOPT_DATA_DIRECTORY" in directory.remedy


def test_a_database_that_does_not_answer_is_found_without_its_password(
    metaopt: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("METAOPT_DATABASE_URL", "postgresql://me:hidden@127.0.0.1:9/none")
    _, database = storage()
    assert database.level == Level.FAIL
    assert "hidden" not in database.text and "127.0.0.1:9" in database.text


def test_tables_that_are_too_old_are_found(metaopt: Command) -> None:
    assert metaopt("db", "upgrade").code == 0
    assert metaopt("db", "downgrade", "base").code == 0
    _, database = storage()
    assert database.level == Level.FAIL
    assert "metaopt db upgrade" in database.text


def test_devices_are_named_and_counted() -> None:
    (here,) = devices()
    assert here.level == Level.OK
    (gpus,) = describe_devices({"cores": 8, "cuda": ["A", "B"], "built_for_cuda": "12.8"})
    assert gpus.text == "2 GPU: A, B; a worker for each"
    (none,) = describe_devices({"cores": 8, "cuda": [], "built_for_cuda": "12.8"})
    assert "finds no GPU" in none.text


def test_paths_are_shown_as_they_are_and_nothing_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory, keys = tmp_path / "what?x=1 50%", tmp_path / "keys"
    monkeypatch.setenv("METAOPT_DATA_DIRECTORY", str(directory))
    monkeypatch.setenv("METAOPT_API_KEYS_FILE", str(keys))
    of_keys, _, database = storage()
    assert of_keys.level == Level.FAIL and "No such file or directory" in of_keys.text
    assert database.level == Level.WARN and str(directory / "metaopt.db") in database.text
    assert list(tmp_path.iterdir()) == []
    keys.write_text(f"me:{'0' * 64}\n")
    assert next(storage()).text == f"1 in {keys}"
