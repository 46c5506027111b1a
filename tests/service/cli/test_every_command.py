"""What holds of every command: `--json`, `-h`, and listings of one shape."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from sqlalchemy import Engine

from service.cli.catalogue import COMMANDS
from service.db.engine import transaction
from tests.fakes.rows import add_baseline, add_study, add_trial
from tests.fakes.schedules import HandClock
from tests.fakes.schedules import add as add_schedule
from tests.fakes.specs import SPEC
from tests.service.cli.conftest import Command

WITHOUT_DATA = {
    "metaopt serve", "metaopt api", "metaopt dispatcher", "metaopt demo", "metaopt db upgrade",
    "metaopt db downgrade", "metaopt db backup", "metaopt db restore",
}  # fmt: skip
"""Processes that go on, a show, and what says on stderr that it is done."""


def commands() -> Iterator[tuple[str, Any]]:
    stack: list[tuple[str, Any]] = [(f"metaopt {n}", one.whole) for n, one in COMMANDS.items()]
    while stack:
        path, command = stack.pop()
        inner = getattr(command, "commands", None)
        if inner is None:
            yield path, command
        else:
            stack.extend((f"{path} {name}", inner[name]) for name in inner)


def test_every_command_that_prints_data_has_json() -> None:
    found = {path: {name for one in c.params for name in one.opts} for path, c in commands()}
    lacking = {path for path, options in found.items() if "--json" not in options}
    assert len(found) > 35
    assert lacking == WITHOUT_DATA


@pytest.mark.parametrize("path", sorted(path for path, _ in commands()))
def test_h_is_help_everywhere(metaopt: Command, path: str) -> None:
    said = metaopt(*path.split()[1:], "-h")
    assert said.code == 0 and said.out.startswith(f"Usage: {path} ")


@pytest.fixture
def some(api: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    # for commands at the database itself
    monkeypatch.setenv("METAOPT_DATABASE_URL", api.url.render_as_string())
    with transaction(api) as session:
        add_study(session)
        add_trial(session, 0)
        add_baseline(session)
        add_baseline(session)
    add_schedule(api, HandClock())


@pytest.mark.parametrize(
    ("listing", "names"),
    [
        ("studies", {"study_id", "created_at"}),
        ("schedule list", {"schedule_id", "next_fire_at"}),
        ("baseline list", {"name", "version"}),
        ("baseline list main", {"name", "version"}),
        ("webhooks list", set()),
        ("webhooks deliveries", set()),
        ("data list", set()),
        ("export last", {"trial_number", "created_at"}),
        ("replay last", {"branch", "asks", "agreeing", "difference"}),
        ("task last 0 1", {"task", "bank", "support", "query"}),
        ("keys list", set()),
    ],
)
def test_a_listing_is_an_array_of_objects(
    metaopt: Command, some: None, tmp_path: Path, listing: str, names: set[str]
) -> None:
    said = metaopt(*listing.split(), "--json", "-")
    assert said.code == 0, said.err
    listed = json.loads(said.out)
    assert isinstance(listed, list) and all(names <= one.keys() for one in listed)
    assert bool(listed) == bool(names)
    file = tmp_path / "listed.json"
    assert metaopt(*listing.split(), "--json", str(file)).code == 0
    assert json.loads(file.read_text()) == listed


@pytest.mark.parametrize(
    "command",
    ["submit SPEC", "show last", "pause last", "resume last", "cancel last",
     "extend last --trials +1"],
)  # fmt: skip
def test_a_study_is_a_document(metaopt: Command, some: None, tmp_path: Path, command: str) -> None:
    spec = tmp_path / "spec.yaml"
    spec.write_text(yaml.safe_dump(SPEC))
    if command == "resume last":
        metaopt("pause", "last")
    said = metaopt(*command.replace("SPEC", str(spec)).split(), "--json", "-")
    assert said.code == 0, said.err
    document = json.loads(said.out)
    assert document["schema_version"] == 1 and document["study"]["name"] == "sinusoid"


@pytest.mark.parametrize(
    ("command", "names"),
    [
        ("schedule pause hourly", {"schedule_id", "paused"}),
        ("schedule resume hourly", {"schedule_id", "paused"}),
        ("schedule run-now hourly", {"fire_at", "status"}),
        ("schedule show hourly", {"schedule", "runs"}),
        ("schedule history hourly", {"points", "time_zone"}),
        ("schedule remove hourly", {"schedule_id"}),
        ("baseline show main", {"name", "scores"}),
        ("baseline diff main", {"baselines", "differences"}),
        ("report last", {"study", "made_at"}),
        ("db current", {"revision", "head"}),
        ("db prune --dry-run", {"events", "deliveries", "bytes of logs"}),
        ("keys new ci", {"name", "key", "line"}),
    ],
)
def test_one_thing_is_one_object(
    metaopt: Command, some: None, command: str, names: set[str]
) -> None:
    said = metaopt(*command.split(), "--json", "-")
    assert said.code == 0, said.err
    assert names <= json.loads(said.out).keys()


@pytest.mark.parametrize("command", ["cancel last", "schedule remove hourly", "submit SPEC"])
def test_a_file_that_cannot_be_written_is_said_before_anything_is_done(
    metaopt: Command, some: None, command: str
) -> None:
    said = metaopt(*command.split(), "--json", "/nowhere/x.json")
    assert (said.code, said.out) == (2, "")
    assert said.err == "/nowhere/x.json cannot be written: No such file or directory\n"


def test_a_file_with_a_key_is_its_owners_alone(metaopt: Command, tmp_path: Path) -> None:
    assert metaopt("keys", "new", "ci", "--json", str(tmp_path / "key.json")).code == 0
    assert (tmp_path / "key.json").stat().st_mode & 0o077 == 0


def test_two_baselines_stand_in_the_order_in_which_they_were_named(
    metaopt: Command, api: Engine
) -> None:
    with transaction(api) as session:
        for device in ("one", "two"):
            add_baseline(session, device=device)
    for named, header in (
        (["main"], "main@1 main@2"),
        (["main@1", "main@2"], "main@1 main@2"),
        (["main@2", "main@1"], "main@2 main@1"),
    ):
        lines = metaopt("baseline", "diff", *named).out.splitlines()
        assert lines[0].split() == header.split()
        columns = {"main@1": "one", "main@2": "two"}
        (device,) = [line.split()[1:] for line in lines if line.startswith("device")]
        assert device == [columns[label] for label in header.split()]
