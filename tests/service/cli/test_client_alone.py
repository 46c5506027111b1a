"""`pip install metaopt` alone: all that asks a server works, the rest says what to install."""

import os
import re
import shlex
import tomllib
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
import yaml
from sqlalchemy import Engine

from service.cli.catalogue import COMMANDS
from service.db.engine import transaction
from tests.fakes.installations import HEAVY, python_without_server, run_without_server
from tests.fakes.rows import add_baseline, add_winner
from tests.fakes.schedules import HandClock
from tests.fakes.schedules import add as add_schedule
from tests.fakes.seen import STUDY, add_seen_study, complete
from tests.fakes.specs import SPEC
from tests.service.cli.conftest import Command

ROOT = Path(__file__).parents[3]

ASKING = (
    "submit spec.yaml", "preview spec.yaml", "studies", f"show {STUDY}", f"watch {STUDY}",
    f"result {STUDY}", f"report {STUDY} --html r.html --markdown r.md --json r.json",
    f"export {STUDY} --out t.csv", f"download {STUDY} --to all", f"evaluate {STUDY} 5",
    "pause last", "resume last", "extend last --trials +1", "cancel last", "keys new me",
    f"baseline promote {STUDY} --name main", "baseline list", "baseline show main",
    "baseline diff main", "baseline rollback main", "schedule list", "schedule show hourly",
    "schedule pause hourly", "schedule resume hourly", "schedule run-now hourly",
    "schedule history hourly", "schedule remove hourly",
    'schedule add spec.yaml --cron "0 2 * * *" --tz Europe/Berlin', "webhooks list",
    "webhooks deliveries", "data list --remote", "plugins",
)  # fmt: skip

HERE = (
    "serve", "api", "dispatcher", "run spec.yaml", f"task {STUDY} 0", f"replay {STUDY}",
    "adapt main --support support.csv", "demo", "doctor", "db upgrade", "db downgrade base",
    "db current", "db backup copy.db", "db restore copy", "db prune --dry-run",
    "data add t.csv", "data check t.csv", "data list", "data show t", "data export t t-exported",
    "data remove t",
    "keys create me", "keys list", "keys rotate me", "keys revoke me",
)  # fmt: skip

WEBHOOK = "webhooks test chat"  # refused: the server has none


def leaves(path: str, command: Any) -> Iterator[str]:
    inner = getattr(command, "commands", None)
    if inner is None:
        yield path
    for name in inner or ():
        yield from leaves(f"{path} {name}", inner[name])


def of(line: str) -> str:
    """The command that a line calls."""
    first, second, *_ = (*shlex.split(line), "")
    return f"{first} {second}" if hasattr(COMMANDS[first].whole, "commands") else first


@pytest.fixture
def place(api: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory with a spec, and a server with a completed study, baselines and a schedule."""
    with transaction(api) as session:
        study = add_seen_study(session)
        complete(session, study)
        add_winner(session, study)
        add_baseline(session)
    add_schedule(api, HandClock())
    (tmp_path / "spec.yaml").write_text(yaml.safe_dump(SPEC))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    return tmp_path


def test_every_command_is_tried_below() -> None:
    every = {path for name, one in COMMANDS.items() for path in leaves(name, one.whole)}
    assert {of(line) for line in (*ASKING, *HERE, WEBHOOK)} == every


def test_what_asks_a_server_needs_no_more_than_a_client(metaopt: Command, place: Path) -> None:
    lines = [*ASKING, WEBHOOK]
    said = run_without_server([shlex.split(line) for line in lines], os.environ)
    failed = {line: result for line, result in zip(lines, said, strict=True) if result[0] != 0}
    assert failed.keys() == {WEBHOOK}, failed
    assert failed[WEBHOOK][0] == 2 and "Traceback" not in failed[WEBHOOK][2]
    assert (place / "r.html").read_text(encoding="utf-8").startswith("<!doctype html>")
    assert (place / "all" / "winner.safetensors").exists()


def test_what_runs_here_says_what_to_install(metaopt: Command, place: Path) -> None:
    said = run_without_server([shlex.split(line) for line in HERE], os.environ)
    for line, (code, out, err) in zip(HERE, said, strict=True):
        assert (code, out) == (2, ""), (line, err)
        assert re.fullmatch(
            r"this needs \S+, which is not installed here: .*\n.*pip install 'metaopt\[server\]'\n",
            err,
        ), (line, err)


def test_the_library_says_what_to_install() -> None:
    done = python_without_server("from metaopt import train", environment=os.environ)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == (
        "ModuleNotFoundError: metaopt.train needs torch: pip install 'metaopt[server]'"
    )


def test_the_modules_above_are_those_of_the_extra() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = {
        kind: {re.match(r"[\w-]+", one)[0].lower() for one in listed}  # type: ignore[index]
        for kind, listed in (
            ("base", project["dependencies"]),
            ("server", project["optional-dependencies"]["server"]),
        )
    }
    owners = metadata.packages_distributions()
    heavy = {owner.lower().replace("_", "-") for name in HEAVY for owner in owners.get(name, ())}
    assert heavy - {"starlette"} == wanted["server"]
    assert not heavy & wanted["base"]
