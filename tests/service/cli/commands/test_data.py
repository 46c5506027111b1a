"""`metaopt data`: from somebody's files to a data set with a name, on this machine alone."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import URL, Engine

from service.app import create_app
from service.settings import Settings
from tests.fakes.local import local_client
from tests.fakes.pictures import animals, encoded, grey, write_files, write_zip
from tests.fakes.specs import TINY
from tests.service.cli.conftest import Command


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    write_zip(tmp_path / "My animals.zip", {**animals(), "dog/9.png": animals()["cat/0.png"]})
    (tmp_path / "t.csv").write_text("species;weight;height\ncat;4,5;1\ndog;30;2\n")
    return tmp_path


def test_from_a_zip_to_a_name_and_back(metaopt: Command, here: Path) -> None:
    added = metaopt("data", "add", "My animals.zip", "--invert", "--licence", "MIT")
    assert added.code == 0, added.err
    digest = added.out.strip()
    assert digest.startswith("sha256:") and len(digest) == 71
    assert added.err.splitlines() == [
        "mind: 1 example equals another of another class: 'cat/0.png' and 'dog/9.png'",
        "stored as my-animals",
    ]
    listed = metaopt("data", "list")
    assert listed.out.splitlines()[1].split() == [
        "my-animals", "images", "4", "x", "3", "grey", "2", "classes", "7", "MIT",
        f"{digest[:19]}…",
    ]  # fmt: skip
    shown = metaopt("data", "show", digest)
    assert "groups    2 classes, 3 to 4 examples each" in shown.out
    assert "packed    channels 1, invert yes, size 4 x 3" in shown.out
    assert metaopt("data", "show", "my-animals").out == shown.out
    assert metaopt("data", "export", "my-animals", "out").code == 0
    assert metaopt("data", "remove", "my-animals").err == "removed my-animals\n"
    assert "There is none" in metaopt("data", "list").err
    again = metaopt("data", "add", "out", "--name", "beasts")
    assert again.out.strip() == digest and "stored as beasts" in again.err


def test_check_says_what_it_understood_and_stores_nothing(metaopt: Command, here: Path) -> None:
    said = metaopt("data", "check", "t.csv", "--class", "species")
    assert said.code == 0, said.err
    assert said.out.splitlines()[:6] == [
        "read as   table: a CSV file",
        "input     2 numbers",
        "features  weight, height",
        "groups    2 classes, 1 example each",
        "          cat (1), dog (1)",
        "packed    class species",
    ]
    assert said.out.splitlines()[-1].startswith("mind      2 classes have one example only")
    assert metaopt("data", "list").out.splitlines()[1:] == []


def test_every_option_reaches_the_data(metaopt: Command, here: Path) -> None:
    def shape(*arguments: str) -> object:
        said = metaopt("data", "check", *arguments, "--json", "-")
        assert said.code == 0, said.err
        document = json.loads(said.out)
        return document["input_shape"], document["outputs"], document["kind"]

    images = ("My animals.zip", "--size", "2x3", "--channels", "3", "--kind", "images")
    assert shape(*images) == ([3, 2, 3], 0, "images")
    (here / "r.csv").write_text("who,x,y,z,note,set\na,1,2,3,n,train\nb,1,2,3,n,test\n")
    table = ("--task", "who", "--target", "y", "--target", "z", "--without", "note")
    assert shape("r.csv", *table, "--split", "set") == ([1], 2, "table")
    text = ("--text", "note", "--class", "who", "--features", "16", "--header", "yes")
    assert shape("r.csv", *text) == ([16], 0, "text")


def test_json_is_the_manifest_with_its_names(metaopt: Command, here: Path) -> None:
    added = json.loads(metaopt("data", "add", "t.csv", "--class", "species", "--json", "-").out)
    assert added["names"] == ["t"] and added["features"] == ["weight", "height"]
    assert added["groups"][0] == {"name": "cat", "examples": 1, "split": None, "support": None}
    assert json.loads(metaopt("data", "show", "t", "--json", "-").out) == added
    (row,) = json.loads(metaopt("data", "list", "--json", "-").out)
    assert row["digest"] == added["digest"] and (row["groups"], row["examples"]) == (2, 2)
    out = json.loads(metaopt("data", "export", "t", "out", "--json", "-").out)
    assert out == {"folder": "out", "digest": added["digest"]}
    gone = json.loads(metaopt("data", "remove", "t", "--json", "-").out)
    assert gone == {"digest": added["digest"], "names": []}


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("add nothing", "nothing cannot be read: No such file or directory"),
        (f"add {'x' * 300} --name x", "x cannot be read: File name too long"),
        ("add t.csv", "it does not follow which column has the classes"),
        ("check t.csv --class spceies", "there is no column 'spceies', did you mean species?"),
        ("add t.csv --class species --name Ä", "the name of a data set has 1 to 64 of a-z"),
        ("add t.csv --class species --size 4", "size has no meaning for a table: leave it out"),
        ("add bad --size 4x", "size must be pixels as 28, or HEIGHTxWIDTH as 32x24, got '4x'"),
        ("add bad", "'cat/7.png' is no readable image"),
        ("add mixed", "is 4 x 3 and 'dog/8.png' is 9 x 9: give a size for all, as size 3"),
        ("show t", "there is no data set 't'"),
        ("remove t", "there is no data set 't'"),
        ("export t out", "there is no data set 't'"),
    ],
)
def test_what_is_wrong_is_said_and_nothing_is_stored(
    metaopt: Command, here: Path, line: str, words: str
) -> None:
    write_files(here / "bad", {**animals(), "cat/7.png": b"no image"})
    write_files(here / "mixed", {**animals(), "dog/8.png": encoded(grey(8, 9, 9))})
    said = metaopt("data", *line.split())
    assert said.code == 2 and said.out == ""
    assert words in said.err and "Traceback" not in said.err
    assert metaopt("data", "list", "--json", "-").out == "[]\n"


def test_a_store_that_cannot_be_written_is_said(metaopt: Command, here: Path) -> None:
    shutil.rmtree(here / "data", ignore_errors=True)
    (here / "data").write_text("a file where a directory should be")
    said = metaopt("data", "add", "My animals.zip")
    assert said.code == 2 and "cannot be written: Not a directory" in said.err


def test_one_that_is_damaged_is_named_and_the_others_are_listed(
    metaopt: Command, here: Path
) -> None:
    digest = metaopt("data", "add", "t.csv", "--class", "species").out.strip()
    metaopt("data", "add", "My animals.zip")
    (here / "data" / "datasets" / f"{digest[7:]}.json").write_text("{}")
    listed = metaopt("data", "list")
    assert listed.code == 0 and "my-animals" in listed.out
    assert listed.err.startswith("damaged: t: data set sha256:")
    assert metaopt("data", "show", "t").code == 2
    assert metaopt("data", "remove", digest).code == 0
    assert metaopt("data", "list").err == ""


def test_what_a_study_of_this_machine_needs_is_not_removed(
    metaopt: Command, here: Path, make_tables: Callable[[URL], None]
) -> None:
    write_files(here / "animals", animals("ant bee cat dog eel fox gnu"))
    metaopt("data", "add", "animals")
    settings = Settings(data_directory=here / "data")
    make_tables(settings.url())
    with local_client(create_app(settings)) as client:
        tasks = {"kind": "dataset", "dataset": "animals", "n_way": 2, "k_shot": 1, "q_query": 1}
        spec = {**TINY, "tasks": {**tasks, "rotations": "classes"}}
        study = client.post("/api/v1/studies", json=spec).json()
        said = metaopt("data", "remove", "animals")
        assert said.code == 2 and f"is needed by study {study['study_id']}" in said.err
        client.post(f"/api/v1/studies/{study['study_id']}:cancel")
    assert metaopt("data", "remove", "animals").code == 0


def test_the_same_commands_at_a_server(metaopt: Command, here: Path, api: Engine) -> None:
    assert "There is none at http://" in metaopt("data", "list", "--remote").err
    added = metaopt("data", "add", "t.csv", "--class", "species", "--remote")
    assert added.code == 0 and "stored as t at http://" in added.err
    assert metaopt("data", "list", "--json", "-").out == "[]\n"  # nothing is left here
    metaopt("data", "add", "My animals.zip", "--name", "animals")
    assert metaopt("data", "add", "animals", "--remote").code == 0
    for command in (("list",), ("show", "t"), ("show", "animals")):
        there = metaopt("data", *command, "--remote")
        assert there.code == 0 and there.out, there.err
    shown = json.loads(metaopt("data", "show", "animals", "--remote", "--json", "-").out)
    assert shown == json.loads(metaopt("data", "show", "animals", "--json", "-").out)
    assert metaopt("data", "export", "t", "out", "--remote").code == 0
    assert metaopt("data", "add", "out").out == added.out
    assert metaopt("data", "remove", "t", "--remote").err.startswith("removed t at http://")
    said = metaopt("data", "show", "t", "--remote")
    assert said.code == 2 and "there is no data set 't'" in said.err
    said = metaopt("data", "add", "nothing", "--remote")
    assert said.code == 2 and "nothing cannot be read: No such file" in said.err
