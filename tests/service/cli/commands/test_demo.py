"""The demo's own parts; the whole of it is `make demo`."""

import socket
from pathlib import Path

import pytest

from service.cli.commands.demo import environment_of, farewell, running_server
from service.cli.exits import Exit, Stop
from service.client.client import Client


def test_the_demo_has_a_server_of_its_own_that_is_ready_and_then_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("METAOPT_DATABASE_URL", "postgresql://somebody/else")
    monkeypatch.setenv("METAOPT_HOST", "0.0.0.0")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    with running_server(tmp_path / "demo") as url:
        with Client(url) as client:
            assert client.readiness() is None
            assert client.studies() == []
    assert (tmp_path / "demo" / "metaopt.db").exists()
    assert (tmp_path / "cache" / "metaopt" / "programs").is_dir()  # they outlive the demo
    with pytest.raises(OSError):
        _connect(url)


def test_a_server_that_does_not_start_shows_its_last_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("METAOPT_LANES", "many")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    with pytest.raises(Stop) as stopped:
        with running_server(tmp_path):
            pass
    assert stopped.value.code == Exit.UNREACHABLE
    assert "METAOPT_LANES" in stopped.value.message


@pytest.mark.parametrize(("given", "told"), [(" ", "cache/metaopt/programs"), ("mine", "mine")])
def test_a_blank_directory_of_programs_is_as_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: str, told: str
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv(
        "METAOPT_PROGRAMS_DIRECTORY", given if given == " " else str(tmp_path / given)
    )
    environment = environment_of(tmp_path / "demo", 1)
    assert environment["METAOPT_PROGRAMS_DIRECTORY"] == str(tmp_path / told)


def test_the_last_words_say_how_long_it_took_and_what_comes_next() -> None:
    words = farewell(200, Path("/somewhere"))
    assert "3 min 20 s" in words and "make serve" in words
    assert "METAOPT_DATA_DIRECTORY=/somewhere" in words
    assert "METAOPT_DATA_DIRECTORY" not in farewell(200, None)


def _connect(url: str) -> None:
    host, port = url.removeprefix("http://").split(":")
    socket.create_connection((host, int(port)), timeout=2).close()
