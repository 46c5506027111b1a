"""Commands about schedules against a real server; a runner is stepped by hand."""

import json
import re
from pathlib import Path

import pytest
import yaml
from sqlalchemy import Engine

from tests.fakes.schedules import HandClock, complete, take_over
from tests.fakes.schedules import add as add_schedule
from tests.fakes.specs import SMALL
from tests.service.cli.conftest import Command


@pytest.fixture
def spec(tmp_path: Path) -> str:
    path = tmp_path / "spec.yaml"
    path.write_text(yaml.safe_dump(SMALL), encoding="utf-8")
    return str(path)


def add(metaopt: Command, spec: str, *options: str) -> str:
    said = metaopt("schedule", "add", "--cron", "0 2 * * *", spec, *options)
    assert said.code == 0, said.err
    return said.out.strip()


def test_a_schedule_is_added_under_the_name_of_its_spec(
    metaopt: Command, api: Engine, spec: str
) -> None:
    schedule_id = add(metaopt, spec, "--tz", "Europe/Berlin", "--cron", "30 2 * * *")
    said = metaopt("schedule", "list")
    header = "schedule_id name cron time zone next last run"
    assert said.out.splitlines()[0].split() == header.split()
    assert f"{schedule_id}  small-sinusoid  30 2 * * *  Europe/Berlin" in said.out
    for known_as in (schedule_id, "small-sinusoid"):
        shown = metaopt("schedule", "show", known_as)
        assert "cron: 30 2 * * * (Europe/Berlin)" in shown.out and "first_seed" not in shown.out
        assert "first_seed: 0" in metaopt("schedule", "show", known_as, "--full").out


def test_a_next_run_is_in_its_own_zone_and_names_it(
    metaopt: Command, api: Engine, spec: str
) -> None:
    berlin = ("--tz", "Europe/Berlin", "--cron", "30 2 * * *")
    said = metaopt("schedule", "add", spec, "--name", "night", *berlin)
    assert re.search(r" 02:30 Europe/Berlin \(\S+ 0[01]:30 UTC\)\n$", said.err)
    assert re.search(r" \d{4}-\d\d-\d\d 02:30 Europe/Berlin  -\n", metaopt("schedule", "list").out)
    shown = metaopt("schedule", "show", "night").out
    assert re.search(r"\nnext: \S+ 02:30 Europe/Berlin \(\S+ 0[01]:30 UTC\)\n", shown)
    metaopt("schedule", "run-now", "night")
    assert re.search(r"\d\d:\d\d Europe/Berlin +hand ", metaopt("schedule", "show", "night").out)
    document = json.loads(metaopt("schedule", "list", "--json", "-").out)
    assert document[0]["next_fire_at"][-7:] == ":30:00Z"


def test_gates_and_policies_come_from_options(metaopt: Command, api: Engine, spec: str) -> None:
    options = "--gate better --gate divergence:0.1 --baseline main --promote-on pass"
    policies = "--name nightly --catch-up all --overlap queue --seed fixed --json -"
    found = json.loads(add(metaopt, spec, *options.split(), *policies.split()))
    gates = found["spec"]["gates"]
    assert gates["rules"] == ["better", "divergence:0.1"]
    assert (gates["baseline"], gates["promote"]) == ("main", "pass")
    assert [found[name] for name in ("name", "catch_up", "overlap", "seed")] == [
        "nightly", "all", "queue", "fixed",
    ]  # fmt: skip


def test_what_has_no_effect_in_a_schedule_is_said(metaopt: Command, api: Engine, spec: str) -> None:
    changed = "pruning.kind=successive_halving pruning.rungs=null budget.meta_iterations=9"
    pruning = [word for field in changed.split() for word in ("--set", field)]
    said = metaopt("schedule", "add", spec, "--cron", "0 2 * * *", *pruning)
    warning = "warning: pruning.kind = successive_halving stops no trial: there is no rung"
    assert said.code == 0 and warning in said.err and warning not in said.out
    assert warning in metaopt("schedule", "show", said.out.strip()).out


def test_a_schedule_is_paused_resumed_run_and_removed(
    metaopt: Command, api: Engine, spec: str
) -> None:
    schedule_id = add(metaopt, spec, "--name", "nightly")
    assert metaopt("schedule", "pause", "nightly").out == f"{schedule_id} paused\n"
    assert "paused" in metaopt("schedule", "list").out
    assert metaopt("schedule", "resume", schedule_id).out == f"{schedule_id} active\n"
    said = metaopt("schedule", "run-now", "nightly")
    assert said.out.endswith("Z waiting\n") and "schedule show nightly" in said.err
    take_over(api, HandClock()).step()
    runs = json.loads(metaopt("schedule", "show", "nightly", "--json", "-").out)["runs"]
    assert [(run["status"], run["manual"]) for run in runs] == [("submitted", True)]
    assert "hand  submitted, queued" in metaopt("schedule", "show", "nightly").out
    assert metaopt("schedule", "remove", "nightly").out == f"{schedule_id} removed\n"
    said = metaopt("schedule", "show", "nightly")
    assert said.code == 2 and "`metaopt schedule list`" in said.err


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--cron", "0 25 * * *"), "cron: must be minute hour"),
        (("--tz", "Europe/Atlantis"), "time_zone: must be a name of the IANA time zones"),
        (("--gate", "better"), "--baseline NAME"),
        (("--overlap", "twice"), "'twice' is not one of"),
    ],
)
def test_what_breaks_a_rule_is_a_usage_error(
    metaopt: Command, api: Engine, spec: str, options: tuple[str, ...], words: str
) -> None:
    said = metaopt("schedule", "add", spec, "--cron", "0 2 * * *", *options)
    assert said.code == 2 and words in said.err


def test_a_history_is_a_table(metaopt: Command, api: Engine) -> None:
    clock = HandClock()
    add_schedule(api, clock)
    runner = take_over(api, clock)
    for value in [0.5] * 5 + [0.7] * 2:
        clock.go(hours=1)
        runner.step()
        complete(api, value)
    lines = metaopt("schedule", "history", "hourly").out.splitlines()
    assert lines[0] == "hourly, mse"
    assert lines[1].split()[:3] == ["fired", "study_id", "candidate"]
    assert "0.5        [0.48, 0.52]  main@1    0.7" in lines[-1]
    assert lines[-2].endswith("moved: worse") and lines[-1].endswith("drift: worse")
    assert "passed, now main@2" in lines[2]
    document = json.loads(metaopt("schedule", "history", "hourly", "--json", "-").out)
    assert [point["drift"] for point in document["points"]] == [False] * 6 + [True]
