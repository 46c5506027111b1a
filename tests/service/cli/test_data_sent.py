"""Data that lie here and a server elsewhere: sent with the spec, once, and judged as by `run`."""

import json
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine

from service.client.client import Client
from tests.fakes.pictures import animals, write_files
from tests.fakes.specs import TINY
from tests.service.cli.conftest import Command

SHORT = {**TINY, "budget": {"trials": 1, "meta_iterations": 4}, "gates": {}}
PICTURES = {"kind": "dataset", "dataset": "./animals", "n_way": 2, "k_shot": 1, "q_query": 2}
DAYS = {"kind": "dataset", "dataset": "days.csv", "k_shot": 3, "q_query": 5}


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the working directory, with pictures of ten animals, a table, and a spec for each."""
    monkeypatch.setenv("METAOPT_COMPILE", "never")
    monkeypatch.setenv("METAOPT_SLOTS", "1")
    here = tmp_path / "here"
    write_files(here / "animals", animals("ant bee cat dog eel fox gnu hen ibex jay", each=4))
    rows = [f"day {i % 12},{i % 7},{i % 7 * (i % 12)}" for i in range(144)]
    (here / "days.csv").write_text("\n".join(["task,hours,target", *rows]))
    for name, tasks in (("pictures", PICTURES), ("days", DAYS)):
        (here / f"{name}.json").write_text(json.dumps({**SHORT, "name": name, "tasks": tasks}))
    monkeypatch.chdir(here)
    return here


def test_a_path_is_sent_once_and_named_by_its_digest(
    metaopt: Command, here: Path, api: Engine
) -> None:
    planned = metaopt("preview", "pictures.json")
    assert planned.code == 0 and "data set animals" in planned.err, planned.err
    submitted = metaopt("submit", "pictures.json", "--json", "-")
    assert submitted.code == 0 and submitted.err == ""  # the server has them
    spec = json.loads(submitted.out)["study"]["spec"]
    assert spec["tasks"]["dataset"].startswith("sha256:")
    added = metaopt("schedule", "add", "days.json", "--cron", "0 2 * * *")
    assert added.code == 0 and "data set days" in added.err
    (listed, other) = json.loads(metaopt("data", "list", "--remote", "--json", "-").out)
    assert (listed["names"], listed["digest"]) == (["animals"], spec["tasks"]["dataset"])
    assert other["names"] == ["days"]
    assert metaopt("data", "list", "--json", "-").out == "[]\n"
    for name in ("animals", "days"):
        said = metaopt("data", "remove", name, "--remote")
        assert said.code == 2 and "is needed by s" in said.err


def test_tasks_of_data_that_lie_at_the_server_can_be_looked_at(
    metaopt: Command, here: Path, api: Engine
) -> None:
    metaopt("submit", "pictures.json")
    said = metaopt("task", "last", "0")
    assert said.code == 2 and "the study's data are not on this machine" in said.err
    digest = said.err.partition("metaopt data export ")[2].split()[0]
    assert metaopt("data", "export", digest, "got", "--remote").code == 0
    assert metaopt("data", "add", "got").code == 0
    shown = metaopt("task", "last", "0")
    assert shown.code == 0 and "task 0 of the sealed bank" in shown.out


def test_a_name_that_means_other_data_there_is_no_hindrance(
    metaopt: Command, here: Path, api: Engine
) -> None:
    assert metaopt("submit", "days.json").code == 0
    (here / "days.csv").write_text((here / "days.csv").read_text() + "\nday 1,1,1")
    said = metaopt("submit", "days.json")
    assert said.code == 0 and "sent days.csv to http://" in said.err and "sha256:" in said.err
    (here / "days").write_text("no data at all")
    named = metaopt("submit", "days.json", "--set", "tasks.dataset=days")
    assert named.code == 0 and named.err == ""  # the server's are meant by this name


def test_data_that_cannot_be_packed_are_said_with_their_field(
    metaopt: Command, here: Path, api: Engine
) -> None:
    (here / "days.csv").write_text("a,b\n1,2\n")
    for command in ("submit days.json", "preview days.json"):
        said = metaopt(*command.split())
        assert said.code == 2 and said.err.startswith("tasks.dataset: it does not follow which")
    said = metaopt("submit", "days.json", "--set", "tasks.dataset=nothing/there")
    assert said.code == 2 and "nothing/there cannot be read: No such file" in said.err
    for nothing in ("nothing", "x" * 300):
        said = metaopt("submit", "days.json", "--set", f"tasks.dataset={nothing}")
        assert said.code == 2 and said.err.startswith("The spec breaks a rule:\ntasks.dataset: ")


@pytest.mark.slow
def test_a_study_on_data_that_were_sent_is_judged_as_where_they_lie(
    metaopt: Command, here: Path, at_work: Engine
) -> None:
    sent = metaopt("submit", "pictures.json", "--wait", "--json", "pictures-there.json")
    assert sent.code == 0, sent.err
    with Client.from_environment() as client:
        client.datasets.add(here / "days.csv", "days")
        study = client.submit({**SHORT, "name": "days", "tasks": {**DAYS, "dataset": "days"}})
        assert client.wait(study.study_id, 300).status == "completed"
        days = client.result(study.study_id).model_dump(mode="json")
    there = {"pictures": scores(read("pictures-there.json")), "days": scores(days)}
    for name, found in there.items():
        ran = metaopt("run", f"{name}.json", "--data-directory", "own", "--json", "here.json")
        assert ran.code == 0, ran.err
        assert scores(read("here.json")) == found and found[0]


def read(name: str) -> dict[str, Any]:
    return dict(json.loads(Path(name).read_text())["result"])


def scores(result: dict[str, Any]) -> list[Any]:
    """What the search and the sealed tasks say of each finalist."""
    return [(one["params"], one["search"], one["sealed"]) for one in result["finalists"]]
