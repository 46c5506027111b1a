"""An option that is given an empty text is not given; a variable that is nearly ours is told."""

from pathlib import Path

import pytest

from service.cli.arguments import without_blank_options
from service.cli.catalogue import COMMANDS
from service.cli.misspelled import misspelled
from tests.service.cli.conftest import Command


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        (["submit", "s.yaml", "--junit", "", "--wait"], ["submit", "s.yaml", "--wait"]),
        (["submit", "--json=", "s.yaml", "--set="], ["submit", "s.yaml"]),
        (["serve", "--data-directory", " ", "--port", "1"], ["serve", "--port", "1"]),
        (["keys", "new", "me", "--append", ""], ["keys", "new", "me"]),
        (["show", ""], ["show", ""]),
        (["submit", "--json"], ["submit", "--json"]),
        (["submit", "--set", "name=", "--", "--json", ""], None),
    ],
)
def test_an_empty_option_is_left_out(given: list[str], kept: list[str] | None) -> None:
    name, *arguments = given
    expected = given if kept is None else kept
    assert [name, *without_blank_options(COMMANDS[name].whole, arguments)] == expected


def test_an_empty_directory_is_the_default_one(
    metaopt: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    said = metaopt("run", str(tmp_path / "nothing.yaml"), "--data-directory", "")
    assert said.code == 2 and "nothing.yaml cannot be read" in said.err
    assert list(tmp_path.iterdir()) == []


def test_a_variable_that_is_nearly_ours_is_told(
    metaopt: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("METAOPT_DATA_DIR", "/srv")
    said = metaopt("db", "current")
    assert (said.code, said.out) == (0, "base\n")
    assert "METAOPT_DATA_DIR is no setting" in said.err
    assert "did you mean METAOPT_DATA_DIRECTORY?" in said.err


def test_variables_of_others_are_not_told() -> None:
    others = ["METAOPT_SERVICE_HOST", "METAOPT_PORT_8000_TCP_ADDR", "METAOPT_PORT_8000_TCP", "HOME"]
    assert list(misspelled([*others, "METAOPT_URL", "METAOPT_PORT"])) == []
    assert dict(misspelled(["METAOPT_SLOT", "METAOPT_API_KEYFILE"])) == {
        "METAOPT_SLOT": "METAOPT_SLOTS", "METAOPT_API_KEYFILE": "METAOPT_API_KEY_FILE",
    }  # fmt: skip
