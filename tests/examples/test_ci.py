"""The jobs of examples/ci, checked without any CI system: schemas, commands, times, habits."""

import re
import shutil
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from cronsim import CronSim

from metaopt.gates.registry import parse_rule
from service.cli.specs import read_spec
from service.wire.spec.refusals import parse_spec
from tests.command_line import parse
from tests.examples import ci_files
from tests.examples.ci_files import CRONTAB, FOLDER, GITLAB, NIGHTLY, ON_PR, SERVICE, TIMER, Script

ROOT = Path(__file__).parents[2]
SCRIPTS = ci_files.scripts()
WITH_METAOPT = {name: one for name, one in SCRIPTS.items() if list(ci_files.commands(one.text))}
WORKFLOWS = pytest.mark.parametrize("path", [NIGHTLY, ON_PR], ids=lambda path: path.stem)
UNIT_KEYS = {
    "Unit": {"Description", "Wants", "After"},
    "Timer": {"OnCalendar", "Persistent", "RandomizedDelaySec"},
    "Install": {"WantedBy"},
    "Service": {
        "Type", "DynamicUser", "WorkingDirectory", "StateDirectory", "Environment",
        "LoadCredential", "ExecStart",
    },
}  # fmt: skip


@pytest.mark.parametrize(
    ("schema", "path"),
    [
        ("vendor.github-workflows", NIGHTLY),
        ("vendor.github-workflows", ON_PR),
        ("custom.github-workflows-require-timeout", NIGHTLY),
        ("custom.github-workflows-require-timeout", ON_PR),
        ("vendor.gitlab-ci", GITLAB),
    ],
)
def test_the_file_follows_its_schema(schema: str, path: Path) -> None:
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", schema, str(path)]
    checked = subprocess.run(command, capture_output=True, text=True)
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_every_file_of_the_folder_is_looked_at() -> None:
    looked_at = {NIGHTLY, ON_PR, GITLAB, CRONTAB, SERVICE, TIMER, FOLDER / "tune.yaml"}
    assert {path for path in FOLDER.rglob("*") if path.is_file()} == looked_at
    assert len(WITH_METAOPT) == 7


@pytest.mark.parametrize("script", WITH_METAOPT.values(), ids=WITH_METAOPT)
def test_every_command_is_one_of_ours(script: Script) -> None:
    (arguments,) = ci_files.commands(script.text)
    parse([re.sub(r"^\$\w+/", "", argument) for argument in arguments])  # folders of that machine
    assert (ROOT / arguments[1]).samefile(FOLDER / "tune.yaml")
    for option, value in zip(arguments, arguments[1:], strict=False):
        if option == "--gate":
            parse_rule(value)


@pytest.mark.parametrize("script", WITH_METAOPT.values(), ids=WITH_METAOPT)
def test_each_run_has_a_seed_of_its_own_and_an_end(script: Script) -> None:
    (arguments,) = ci_files.commands(script.text)
    assert re.search(r"seed=\$[A-Z(]", arguments[arguments.index("--set") + 1])
    assert float(arguments[arguments.index("--timeout") + 1]) > 0
    if arguments[0] == "submit":
        key = arguments[arguments.index("--idempotency-key") + 1]
        assert "$" in key and "ATTEMPT" not in key


@pytest.mark.parametrize(
    ("script", "installed"),
    [
        ("tune-nightly: Install metaopt", "."),  # asks a server
        ("gitlab: before_script", "."),
        ("tune-on-pr: Install metaopt", ".[server]"),  # trains
    ],
)
def test_a_job_installs_what_it_needs_and_no_more(script: str, installed: str) -> None:
    words = SCRIPTS[script].text.replace('"', "").split()
    assert words == ["pip", "install", "-c", "constraints.txt", installed]


def test_the_spec_is_small_and_valid() -> None:
    spec = parse_spec(read_spec(FOLDER / "tune.yaml"))
    assert spec.budget.trials is not None and spec.budget.meta_iterations is not None
    assert spec.budget.trials * spec.budget.meta_iterations <= 5000
    assert not any(rule.compares for rule in spec.gates.parsed())  # holds without a baseline


@WORKFLOWS
def test_a_workflow_may_only_read_and_pins_what_it_uses(path: Path) -> None:
    assert ci_files.workflow(path)["permissions"] == {"contents": "read"}
    assert "group" in ci_files.workflow(path)["concurrency"]
    used = [one["uses"] for one in ci_files.job(path)["steps"] if "uses" in one]
    assert used and all(re.fullmatch(r"actions/[a-z/-]+@v\d+", one) for one in used)


@WORKFLOWS
def test_nothing_is_pasted_into_a_shell(path: Path) -> None:
    scripts = [one["run"] for one in ci_files.job(path)["steps"] if "run" in one]
    assert scripts and not any("${{" in one for one in scripts)


@WORKFLOWS
def test_what_was_written_is_kept_also_after_a_failure(path: Path) -> None:
    *_, last = ci_files.job(path)["steps"]
    assert last["uses"].startswith("actions/upload-artifact@") and last["if"] == "always()"
    kept = set(last["with"]["path"].split())
    for arguments in _commands(path):
        written = [arguments[arguments.index(option) + 1] for option in ("--junit", "--json")]
        assert set(written) == kept
        assert arguments[arguments.index("--summary") + 1] == "$GITHUB_STEP_SUMMARY"


@WORKFLOWS
def test_metaopt_gives_up_before_the_job_does(path: Path) -> None:
    for arguments in _commands(path):
        assert _timeout(arguments) <= 60 * (ci_files.job(path)["timeout-minutes"] - 10)


def test_the_gitlab_job_gives_up_later_too_and_keeps_its_reports() -> None:
    (arguments,) = ci_files.commands(ci_files.gitlab("script").text)
    tune: dict[str, Any] = yaml.safe_load(GITLAB.read_text())["tune"]
    assert _timeout(arguments) <= 60 * (int(tune["timeout"].removesuffix(" minutes")) - 10)
    assert tune["artifacts"]["when"] == "always"
    assert tune["artifacts"]["reports"]["junit"] == arguments[arguments.index("--junit") + 1]


def test_only_main_promotes_and_only_main_keeps_its_directory() -> None:
    steps = [one for one in ci_files.job(ON_PR)["steps"] if "if" in one]
    for one in steps:
        on_main = one["if"] == "github.event_name == 'push'"
        for arguments in ci_files.commands(one.get("run", "")):
            assert ("pass" in arguments) == on_main
        assert on_main or not one.get("uses", "").startswith("actions/cache/save")
    uses = [one for one in ci_files.job(ON_PR)["steps"] if "cache/" in one.get("uses", "")]
    assert [one["uses"].split("@")[0][-7:] for one in uses] == ["restore", "he/save"]
    directory = ci_files.workflow(ON_PR)["env"]["METAOPT_DATA_DIRECTORY"]
    assert {one["with"]["path"] for one in uses} == {directory}


def test_exactly_one_step_judges_whatever_the_event() -> None:
    conditions = {
        one["name"]: one["if"]
        for one in ci_files.job(ON_PR)["steps"]
        if list(ci_files.commands(one.get("run", "")))
    }
    push, pull_request = (f"github.event_name == '{e}'" for e in ("push", "pull_request"))
    found = "steps.baseline.outputs.cache-matched-key"
    assert conditions == {
        "Judge main": push,
        "Judge the pull request": f"{pull_request} && {found} != ''",
        "Judge the pull request without a baseline": f"{pull_request} && {found} == ''",
    }


def test_cron_expressions_have_a_next_time() -> None:
    (scheduled,) = ci_files.workflow(NIGHTLY)[True]["schedule"]
    for expression in (scheduled["cron"], ci_files.cron_line()[0]):
        following = next(CronSim(expression, datetime(2026, 1, 1, tzinfo=UTC)))
        assert following == datetime(2026, 1, 1, 2, 17, tzinfo=UTC)


def test_the_units_have_known_keys() -> None:
    assert list(ci_files.unit(SERVICE)) == ["Unit", "Service"]  # the timer starts it
    assert list(ci_files.unit(TIMER)) == ["Unit", "Timer", "Install"]
    assert SERVICE.stem == TIMER.stem
    for path in (SERVICE, TIMER):
        for section, settings in ci_files.unit(path).items():
            assert {key for key, _ in settings} <= UNIT_KEYS[section], section


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no systemd-analyze here")
def test_systemd_has_nothing_to_say_against_the_units() -> None:
    checked = subprocess.run(
        ["systemd-analyze", "verify", SERVICE, TIMER], capture_output=True, text=True
    )
    said = [line for line in checked.stderr.splitlines() if "metaopt-tune" in line]
    assert said == []


def _commands(path: Path) -> list[list[str]]:
    steps = ci_files.job(path)["steps"]
    return [found for one in steps for found in ci_files.commands(one.get("run", ""))]


def _timeout(arguments: list[str]) -> float:
    return float(arguments[arguments.index("--timeout") + 1])
