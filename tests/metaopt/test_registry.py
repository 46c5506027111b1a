"""The registry: kinds by name, from a folder or added."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from metaopt.errors import InvalidTasks
from metaopt.registry import Registry


class Colour(NamedTuple):
    name: str


@pytest.fixture
def colours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Registry[Colour]]:
    folder = tmp_path / "colours_of_a_test"
    folder.mkdir()
    (folder / "__init__.py").write_text("")
    (folder / "base.py").write_text("SHADE = 1\n")
    for name in ("red", "blue"):
        record = f"KIND = SimpleNamespace(name={name!r})\n"
        (folder / f"{name}.py").write_text(f"from types import SimpleNamespace\n{record}")
    monkeypatch.syspath_prepend(tmp_path)
    yield Registry("colour", folder.name, InvalidTasks)
    for name in [name for name in sys.modules if name.startswith(folder.name)]:
        del sys.modules[name]


def test_a_folder_declares_a_kind_a_file(colours: Registry[Colour]) -> None:
    assert colours.names() == ("blue", "red")
    assert colours.get("red").name == "red"


def test_an_unknown_name_is_refused_with_those_that_there_are(colours: Registry[Colour]) -> None:
    with pytest.raises(InvalidTasks, match="colour must be one of blue, red, got 'green'"):
        colours.get("green")
    with pytest.raises(InvalidTasks, match=r"got \['red'\]"):
        colours.get(["red"])


def test_a_kind_of_somebody_else_comes_through_the_same_door(colours: Registry[Colour]) -> None:
    with colours.including(Colour("green")) as green:
        assert colours.get("green") is green
        with pytest.raises(InvalidTasks, match="colour 'green' is taken"):
            colours.add(Colour("green"))
    assert colours.names() == ("blue", "red")


def test_a_learnt_kind_takes_the_place_of_an_earlier_one_and_never_of_ours(
    colours: Registry[Colour],
) -> None:
    colours.learn(Colour("green"))
    newer = colours.learn(Colour("green"))
    assert colours.get("green") is newer
    assert not colours.is_ours("green")
    assert colours.is_ours("red")
    with pytest.raises(InvalidTasks, match="'red' is one of metaopt's own"):
        colours.learn(Colour("red"))
