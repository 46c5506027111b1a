"""`submit --wait` and `run` with gates: real servers, real trainings, files for CI, exit codes."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import jsonschema
import pytest
import yaml
from sqlalchemy import Engine, select

from service.cli.overrides import overridden
from service.cli.specs import changed_spec
from service.db.engine import reading, transaction
from service.db.states import StudyStatus
from service.db.tables import Study
from tests.fakes.specs import SPEC, TINY
from tests.service.cli.conftest import Command
from tests.waiting import wait_until

ROOT = Path(__file__).parents[3]
NIGHTLY = ("--gate", "no-worse:3", "--baseline", "main", "--promote-on", "pass")


@pytest.fixture
def spec(tmp_path: Path) -> str:
    path = tmp_path / "tiny.yaml"
    path.write_text(yaml.safe_dump(TINY))
    return str(path)


def schema() -> Any:
    return json.loads((ROOT / "docs" / "study-document.schema.json").read_text())


@pytest.mark.slow
def test_a_job_promotes_then_passes_then_fails(
    metaopt: Command, at_work: Engine, spec: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    step_summary = tmp_path / "step.md"
    step_summary.write_text("# before\n")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(step_summary))
    files = {kind: tmp_path / f"out.{kind}" for kind in ("json", "junit")}
    wait = ("--wait", "--json", str(files["json"]), "--junit", str(files["junit"]))
    wait = (*wait, "--summary", str(step_summary), "--timeout", "200")

    first = metaopt("submit", spec, *wait, *NIGHTLY, "--idempotency-key", "run-1")
    assert first.code == 0, first.err
    assert "The candidate is now main@1." in first.out
    document = json.loads(files["json"].read_text())
    jsonschema.validate(document, schema())
    assert (document["schema_version"], document["exit_code"]) == (1, 0)
    study_id = document["study"]["study_id"]
    assert document["url"].endswith(f"/#/studies/{study_id}")
    again = metaopt("submit", spec, *wait, *NIGHTLY, "--idempotency-key", "run-1")
    assert again.code == 0  # a step that CI runs again attaches to the same study
    assert json.loads(files["json"].read_text())["study"]["study_id"] == study_id
    monkeypatch.delenv("GITHUB_STEP_SUMMARY")
    summary = step_summary.read_text()
    assert summary.startswith("# before\n") and summary.count("✅ gates passed") == 2

    second = metaopt("submit", spec, *wait, *NIGHTLY, "--set", "seed=2")
    assert second.code == 0, second.err
    assert "beside main@1 (trained afresh too)" in second.out and "main@2" in second.out
    assert "# before" not in step_summary.read_text()  # no longer the step's: written anew

    # Both rules fail whatever the seeds: nothing adapts at such a rate, and steps are counted.
    space = "branches.maml.space"
    sabotaged = ("--set", f"{space}.inner_lr=0.000001", "--set", f"{space}.inner_steps=3")
    cost = "cost:adaptation_examples<=1.5x"
    strict = ("--gate", cost, "--gate", "at-least:0.01", "--baseline", "main")
    third = metaopt("submit", spec, *wait, *strict, *sabotaged, "--set", "seed=3")
    assert third.code == 1
    assert f"gates failed: {cost}, at-least:0.01" in third.err
    summary = step_summary.read_text()
    assert "❌ gate failed" in summary and "| baseline main@2 |" in summary
    assert "| inner_lr | 1e-06 | 0.0" in summary  # fixed, but not as in the baseline
    assert "| outer_lr" not in summary  # neither searched nor another
    suite = ElementTree.parse(files["junit"]).getroot().find("testsuite")
    assert suite is not None and (suite.get("tests"), suite.get("failures")) == ("3", "2")
    failure = suite.find(f"testcase[@name='{cost}']/failure")
    assert failure is not None and "3 times the baseline's" in str(failure.get("message"))
    failure = suite.find("testcase[@name='at-least:0.01']/failure")
    assert failure is not None and failure.get("type") == "fail"
    document = json.loads(files["json"].read_text())
    jsonschema.validate(document, schema())
    assert (document["exit_code"], document["result"]["gates"]["passed"]) == (1, False)
    result = metaopt("result", document["study"]["study_id"])
    assert (result.code, "fail: at-least:0.01" in result.out) == (1, True)


@pytest.mark.slow
def test_a_run_needs_a_directory_and_nothing_else(
    metaopt: Command, spec: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("METAOPT_SLOTS", "1")
    monkeypatch.setenv("METAOPT_SEGMENT_SECONDS", "0.2")
    monkeypatch.setenv("METAOPT_DATABASE_URL", "sqlite:////nowhere/at/all.db")
    where = ("--data-directory", str(tmp_path / "runs"))
    first = metaopt("run", spec, *where, *NIGHTLY, "--json", str(tmp_path / "1.json"))
    assert first.code == 0, first.err
    document = json.loads((tmp_path / "1.json").read_text())
    jsonschema.validate(document, schema())
    assert document["url"] is None and "The candidate is now main@1." in first.out
    named = ("--idempotency-key", "job-7", "--gate", "divergence:0.5", "--json", "-")
    second = json.loads(metaopt("run", spec, *where, *named).out)["study"]["study_id"]
    assert second != document["study"]["study_id"]  # what has ended is not told again
    assert json.loads(metaopt("run", spec, *where, *named).out)["study"]["study_id"] == second
    worse = metaopt("run", spec, *where, "--gate", "at-least:0.0001", "--undecided", "pass")
    assert worse.code == 1 and "at-least:0.0001" in worse.err
    missing = metaopt("run", spec, *where, "--gate", "better", "--baseline", "other")
    assert missing.code == 2 and "there is no baseline other" in missing.err


@pytest.mark.slow
def test_a_run_that_is_stopped_goes_on_where_it_was(spec: str, tmp_path: Path) -> None:
    long = ("--set", "budget.meta_iterations=20000", "--set", "budget.trials=1")
    command = [sys.executable, "-m", "service.cli", "run", spec, *long]
    command += ["--data-directory", str(tmp_path / "runs"), "--json", str(tmp_path / "f.json")]
    environment = {**os.environ, "METAOPT_SEGMENT_SECONDS": "0.5", "METAOPT_SLOTS": "1"}
    environment |= {"METAOPT_COMPILE": "never"}

    def begin(*more: str) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [*command, *more], env=environment, stderr=subprocess.PIPE, text=True, cwd=ROOT
        )

    with begin() as first:
        checkpoints = tmp_path / "runs" / "checkpoints"
        wait_until(lambda: list(checkpoints.glob("*/*.safetensors")) != [], 60, what="a checkpoint")
        first.send_signal(signal.SIGTERM)
        said = first.communicate(timeout=300)[1]
    assert first.returncode == 130
    assert "which stands still: `metaopt run" in said and "goes on with it" in said
    with begin("--timeout", "2") as second:
        said = second.communicate(timeout=300)[1]
    assert second.returncode == 4 and "the time is up" in said
    document = json.loads((tmp_path / "f.json").read_text())
    assert document["exit_code"] == 4 and document["study"]["status"] == "running"
    assert document["study"]["spent"]["trials"] == 1  # the same trial, not another one
    assert document["study"]["spent"]["meta_iterations"] > 0


def test_an_interrupt_cancels_if_it_is_told_to(api: Engine, spec: str) -> None:
    command = [sys.executable, "-m", "service.cli", "submit", spec, "--wait"]
    with subprocess.Popen(
        [*command, "--cancel-on-interrupt"], stderr=subprocess.PIPE, text=True, cwd=ROOT
    ) as process:
        assert process.stderr is not None
        told = (line for line in process.stderr if "study submitted" in line)
        assert next(told, None)  # it waits by now, with its handlers
        process.send_signal(signal.SIGTERM)
        said = process.communicate(timeout=30)[1]
    assert process.returncode == 130
    assert "is cancelled" in said and _status(api) == "cancelled"


def _status(engine: Engine) -> str | None:
    with reading(engine) as session:
        return session.scalar(select(Study.status))


def test_waiting_has_its_own_exit_codes(
    metaopt: Command, api: Engine, spec: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    late = metaopt("submit", spec, "--wait", "--timeout", "0.3", "--junit", str(tmp_path / "j.xml"))
    assert late.code == 4 and "which goes on: `metaopt watch" in late.err
    error = ElementTree.parse(tmp_path / "j.xml").find("testsuite/testcase/error")
    assert error is not None and error.get("message") == "the study is queued"
    with transaction(api) as session:
        study = session.scalars(select(Study)).one()
        study.status, study.error = StudyStatus.FAILED, "\x1b[31mno trial completed"
    files = ("--summary", str(tmp_path / "s.md"), "--junit", str(tmp_path / "j.xml"))
    failed = metaopt("watch", study.study_id, *files)
    error = ElementTree.parse(tmp_path / "j.xml").find("testsuite/testcase/error")
    assert error is not None and error.get("message") == "[31mno trial completed"  # XML has no ESC
    assert failed.code == 3 and "no trial completed" in failed.err
    assert "study failed" in (tmp_path / "s.md").read_text()
    monkeypatch.setenv("METAOPT_URL", "http://127.0.0.1:9")
    assert metaopt("submit", spec, "--wait").code == 5
    monkeypatch.setenv("METAOPT_URL", "nowhere")
    assert metaopt("submit", spec, "--wait").code == 2


@pytest.mark.parametrize(
    ("option", "says"),
    [
        (("--junit", "j.xml"), "--junit needs --wait"),
        (("--summary", "s.md"), "--summary needs --wait"),
        (("--cancel-on-interrupt",), "--cancel-on-interrupt needs --wait"),
        (("--set", "budget.trials"), "must be PATH=VALUE"),
        (("--set", "name.more=1"), "has no place for 'more'"),
        (("--set", "branches.gp.space=1"), "has no place for 'gp'"),
        (("--set", "branches.malm.space=1"), "has no place for 'malm' there, did you mean maml?"),
        (("--set", "budget.trails=2"), "budget.trails: is not a known field, did you mean trials?"),
        (("--set", "seed=[1"), "--set seed=[1: the value is not valid"),
        (("--gate", "worse"), "a gate must be better, no-worse:DELTA"),
        (("--gate", "better"), "name one in gates.baseline"),
        (("--wait", "--junit", "/nowhere/j.xml"), "cannot be written"),
        (("--wait", "--summary", "-", "--events"), "--events and --summary both write to stdout"),
        (("--wait", "--json", "f", "--junit", "./f"), "--json and --junit both write to f"),
    ],
)
def test_what_cannot_be_is_said_before_anything_is_submitted(
    metaopt: Command, api: Engine, spec: str, option: tuple[str, ...], says: str
) -> None:
    said = metaopt("submit", spec, *option)
    assert said.code == 2 and says in said.err
    assert _status(api) is None


def test_the_key_may_be_in_a_file(
    metaopt: Command, api: Engine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("METAOPT_API_KEY_FILE", str(tmp_path / "nowhere"))
    said = metaopt("studies")
    assert said.code == 2 and "METAOPT_API_KEY_FILE" in said.err
    (tmp_path / "key").write_text("mo_abc\n")
    monkeypatch.setenv("METAOPT_API_KEY_FILE", str(tmp_path / "key"))
    assert metaopt("studies").code == 0


def test_settings_change_a_copy() -> None:
    changed = overridden(
        SPEC, ["budget.trials=20", "search.sampler=qmc", "branches.reptile.space.epsilon=0.5"]
    )
    assert (changed["budget"]["trials"], SPEC["budget"]["trials"]) == (20, 8)
    assert changed["search"] == {"sampler": "qmc"}
    assert changed["branches"][1]["space"] == {"epsilon": 0.5}
    named = overridden({"branches": [{"algorithm": "maml"}]}, ["branches.maml.space.inner_lr=0.5"])
    searched = {"inner_lr": 0.5, "inner_steps": "default", "outer_lr": "default"}
    assert named["branches"][0]["space"] == searched
    twice = {"branches": [{"algorithm": "maml"}, {"name": "other", "algorithm": "maml"}]}
    by_name = overridden(twice, ["branches.other.share=2"])["branches"]
    assert by_name == [{"algorithm": "maml"}, {"name": "other", "algorithm": "maml", "share": 2}]
    ranged = overridden(SPEC, ["branches.maml.space.inner_lr={low: 0.1, high: 1}"])
    assert ranged["branches"][0]["space"]["inner_lr"] == {"low": 0.1, "high": 1}


def test_options_replace_only_the_gates_they_name() -> None:
    document = {"gates": {"rules": ["better"], "baseline": "old", "seeds": 3}}
    changed = changed_spec(document, None, None, "main", None, "pass")
    kept = {"rules": ["better"], "seeds": 3}
    assert changed["gates"] == {**kept, "baseline": "main", "undecided": "pass"}
    assert changed_spec({"name": "x"}, None, None, None, None, None) == {"name": "x"}
