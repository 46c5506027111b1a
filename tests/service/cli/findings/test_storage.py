"""What the doctor finds of settings, directory and database of this machine."""

from pathlib import Path

import pytest

from service.cli.findings.finding import Level
from service.cli.findings.storage import storage
from tests.service.cli.conftest import Command

SERVER = "http://10.0.0.1:8000"


def test_a_wrong_setting_is_found(metaopt: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("METAOPT_LANES", "many")
    (finding,) = storage()
    assert finding.level == Level.FAIL
    assert finding.text.startswith("METAOPT_LANES")


def test_a_data_directory_that_cannot_be_made_is_found(
    metaopt: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("METAOPT_DATA_DIRECTORY", str(tmp_path / "file" / "data"))
    directory, _ = storage()
    assert directory.level == Level.FAIL
    assert "METAOPT_DATA_DIRECTORY" in directory.remedy
    directory, _ = storage(SERVER)
    assert directory.level == Level.WARN
    assert "only what works here needs it" in directory.text


def test_a_database_that_is_not_there_is_no_fault_where_a_server_has_its_own(
    metaopt: Command,
) -> None:
    _, database = storage()
    assert (database.level, "metaopt db upgrade" in database.remedy) == (Level.WARN, True)
    _, database = storage(SERVER)
    assert (database.level, database.remedy) == (Level.OK, "")
    assert f"the server at {SERVER} has its own" in database.text


def test_a_database_that_does_not_answer_is_found_without_its_password(
    metaopt: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("METAOPT_DATABASE_URL", "postgresql://me:hidden@127.0.0.1:9/none")
    for server in (None, SERVER):  # it was named, so it is meant
        _, database = storage(server)
        assert database.level == Level.FAIL
        assert "hidden" not in database.text and "127.0.0.1:9" in database.text


def test_tables_that_are_too_old_are_found(metaopt: Command) -> None:
    assert metaopt("db", "upgrade").code == 0
    assert metaopt("db", "downgrade", "base").code == 0
    _, database = storage()
    assert database.level == Level.FAIL
    assert "metaopt db upgrade" in database.text
    _, database = storage(SERVER)
    assert database.level == Level.WARN


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
def test_a_full_disk_is_found(
    metaopt: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("tempfile.TemporaryFile", lambda dir: open("/dev/full", "wb"))  # noqa: A002
    directory, _ = storage()
    assert directory.level == Level.FAIL and "No space left" in directory.text


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
