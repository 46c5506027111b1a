"""The jobs of examples/ci at work: their own commands, in a shell, against a real server.

One server for all; the first night is a fixture, so that every other test finds a baseline.
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple
from xml.etree import ElementTree

import jsonschema
import pytest
import yaml

from service.auth.key import key_sha256, new_key
from service.cli.commands.demo import free_port
from service.client.client import Client
from service.client.errors import ClientError, ServerRefused
from tests.examples import ci_files
from tests.examples.ci_files import FOLDER, NIGHTLY, ON_PR, Script
from tests.waiting import wait_until

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
TUNE_NIGHTLY = ci_files.step(NIGHTLY, "Tune and judge")
QUICK = {"METAOPT_SLOTS": "1", "METAOPT_COMPILE": "never", "CUDA_VISIBLE_DEVICES": ""}
NOWHERE = "http://127.0.0.1:9"
# So small that nothing adapts: surely worse.  Of trainings at a rate of 1 or 2 some explode, which
# scatters so much that a gate may stay undecided: exit code 1 too, but another answer.
BAD_INNER_LR = 0.000001


class Said(NamedTuple):
    """What a script said, on stdout and stderr together."""

    code: int
    text: str


@dataclass(frozen=True)
class Machine:
    """A scratch directory that looks like the one a job runs in.

    It stands for the checkout of a runner, and for /opt/metaopt, /etc/metaopt and the home of cron
    and systemd.
    """

    folder: Path

    def make(self) -> "Machine":
        """Copy the spec, and put `metaopt` and `python` where the jobs look for them.

        Half as many meta-iterations are enough for the jobs, of which there are many here.
        """
        (self.folder / "examples").mkdir(parents=True)
        shutil.copytree(FOLDER, self.folder / "examples" / "ci")
        self._change_spec(lambda spec: spec["budget"].update(meta_iterations=300))
        programs = self.folder / ".venv" / "bin"
        programs.mkdir(parents=True)
        (programs / "metaopt").symlink_to(Path(sys.executable).parent / "metaopt")
        (programs / "python").symlink_to(sys.executable)
        return self

    def run(self, script: Script, *, shell: str = "bash", **variables: str) -> Said:
        """Run a script as CI does: it ends where a command fails."""
        inherited = {"PATH": f"{self.folder}/.venv/bin:{os.defpath}", "HOME": str(self.folder)}
        inherited |= {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", **QUICK}
        said = subprocess.run(
            [shell, "-e", "-c", self._here(script.text)],
            cwd=self.folder,
            env={**inherited, **self._set(script.environment), **variables},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        return Said(said.returncode, said.stdout)

    def github(self, script: Script, run_number: int, **variables: str) -> Said:
        """Run a step as GitHub does; its summary is a new file."""
        self.path("step.md").unlink(missing_ok=True)
        runner = {
            "GITHUB_RUN_NUMBER": str(run_number),
            "GITHUB_RUN_ID": f"10000{run_number}",
            "GITHUB_JOB": "tune",
            "GITHUB_STEP_SUMMARY": str(self.path("step.md")),
        }
        return self.run(script, **{**runner, **variables})

    def path(self, name: str) -> Path:
        """Return a file's place."""
        return self.folder / name

    def document(self, name: str = "tune.json") -> Any:
        """Return the JSON that a job wrote, which follows our schema."""
        document = json.loads(self.path(name).read_text())
        schema = (ROOT / "docs" / "study-document.schema.json").read_text()
        jsonschema.validate(document, json.loads(schema))
        return document

    def sabotage(self) -> None:
        """Fix the spec's inner rate at a bad value, as a commit might."""
        space = {"inner_lr": BAD_INNER_LR}
        self._change_spec(lambda spec: spec["branches"][0]["space"].update(space))

    def _change_spec(self, change: Callable[[Any], None]) -> None:
        path = self.path("examples/ci/tune.yaml")
        spec = yaml.safe_load(path.read_text())
        change(spec)
        path.write_text(yaml.safe_dump(spec))

    def _here(self, text: str) -> str:
        text = text.replace("/opt/metaopt", str(self.folder))
        return text.replace("/etc/metaopt", str(self.folder))

    def _set(self, environment: Mapping[str, str]) -> dict[str, str]:
        """Return what the file sets; what only CI systems and systemd know, the test gives."""
        known = {name: value for name, value in environment.items() if "${{" not in value}
        return {name: self._here(value) for name, value in known.items()}


class Server(NamedTuple):
    """A server at work."""

    url: str
    key: str

    @property
    def variables(self) -> dict[str, str]:
        """Return how a job finds it."""
        return {"METAOPT_URL": self.url, "METAOPT_API_KEY": self.key}

    def version(self) -> int:
        """Return the present version of the baseline."""
        with Client(self.url, self.key) as client:
            return client.baselines.show("main").version


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path / "machine").make()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Yield a server with one slot that asks for a key."""
    folder = tmp_path_factory.mktemp("server")
    one = Server(f"http://127.0.0.1:{free_port()}", new_key())
    (folder / "keys").write_text(f"ci:{key_sha256(one.key)}\n")
    settings = {
        "METAOPT_DATA_DIRECTORY": str(folder / "data"),
        "METAOPT_API_KEYS_FILE": str(folder / "keys"),
        "METAOPT_PORT": one.url.rpartition(":")[2],
    }
    with open(folder / "log", "wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "service.cli", "serve"],
            cwd=ROOT,
            env={**os.environ, "OMP_NUM_THREADS": "1", **QUICK, **settings},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
    try:
        wait_until(lambda: _ready(one), 60, what=f"the server's start, see {folder / 'log'}")
        yield one
    finally:
        process.terminate()
        process.wait(60)


def _ready(server: Server) -> bool:
    with Client(server.url, server.key, patience_seconds=0.1) as client:
        try:
            return client.readiness() is None
        except ClientError:
            return False


@pytest.fixture(scope="module")
def first_night(server: Server, tmp_path_factory: pytest.TempPathFactory) -> tuple[Machine, Said]:
    """Run the nightly workflow on a server that has seen nothing yet."""
    machine = Machine(tmp_path_factory.mktemp("first") / "machine").make()
    return machine, machine.github(TUNE_NIGHTLY, 1, **server.variables)


def test_the_first_night_promotes(first_night: tuple[Machine, Said], server: Server) -> None:
    machine, said = first_night
    assert said.code == 0, said.text
    assert machine.document()["result"]["gates"]["promoted"] == {"name": "main", "version": 1}
    assert server.version() >= 1
    summary = machine.path("step.md").read_text()
    assert "✅ gates passed" in summary and "it is now **main@1**" in summary
    assert _failures(machine.path("tune.xml")) == []


def test_the_second_night_passes_beside_the_baseline(
    first_night: object, server: Server, machine: Machine
) -> None:
    before = server.version()
    said = machine.github(TUNE_NIGHTLY, 2, **server.variables)
    assert said.code == 0, said.text
    gates = machine.document()["result"]["gates"]
    assert gates["baseline_name"] == {"name": "main", "version": before}
    assert gates["promoted"] == {"name": "main", "version": before + 1}
    assert f"| baseline main@{before} |" in machine.path("step.md").read_text()


def test_a_sabotaged_night_fails_and_says_why(
    first_night: object, server: Server, machine: Machine
) -> None:
    before = server.version()
    machine.sabotage()
    said = machine.github(TUNE_NIGHTLY, 3, **server.variables)
    assert said.code == 1, said.text
    assert "gates failed: no-worse:0.5" in said.text
    summary = machine.path("step.md").read_text()
    assert "❌ gate failed" in summary and "| `no-worse:0.5` | ❌ fail | candidate minus" in summary
    assert "| inner_lr | 1e-06 | 0.0" in summary  # what the baseline has instead
    assert "no-worse:0.5" in _failures(machine.path("tune.xml"))
    assert machine.document()["exit_code"] == 1
    assert server.version() == before


def test_a_server_that_is_not_there_is_told_apart(machine: Machine) -> None:
    said = machine.github(TUNE_NIGHTLY, 4, METAOPT_URL=NOWHERE, METAOPT_API_KEY="")
    assert said.code == 5, said.text
    assert "METAOPT_URL" in said.text
    assert not machine.path("tune.xml").exists()  # an empty one would be a broken report


def test_a_key_that_is_not_known_is_refused(server: Server, machine: Machine) -> None:
    said = machine.github(TUNE_NIGHTLY, 4, METAOPT_URL=server.url, METAOPT_API_KEY="")
    assert said.code == 5 and "METAOPT_API_KEY" in said.text


def test_a_night_too_short_ends_the_wait_and_a_second_attempt_attaches(
    first_night: object, server: Server, machine: Machine
) -> None:
    hurried = TUNE_NIGHTLY.with_text("--timeout 3600", "--timeout 0.5")
    said = machine.github(hurried, 5, **server.variables)
    assert said.code == 4, said.text
    study_id = machine.document()["study"]["study_id"]
    assert f"the time is up for {study_id}, which goes on" in said.text
    again = machine.github(hurried, 5, GITHUB_RUN_ATTEMPT="2", **server.variables)
    assert again.code in (0, 4), again.text  # it went on meanwhile
    assert machine.document()["study"]["study_id"] == study_id
    with Client(server.url, server.key) as client:
        assert client.study(study_id).status in ("queued", "running", "completed")
        assert client.study(study_id).error is None
        with suppress(ServerRefused):  # it may have ended by itself
            client.cancel(study_id)  # the others need the slots


def test_the_gitlab_job_leaves_a_junit_and_a_metrics_report(
    first_night: object, server: Server, machine: Machine
) -> None:
    pipeline = {"CI_PIPELINE_IID": "6", "CI_PIPELINE_ID": "100006", "CI_JOB_NAME": "tune"}
    said = machine.run(ci_files.gitlab("script"), **pipeline, **server.variables)
    assert said.code == 0, said.text
    assert "✅ gates passed" in machine.path("tune.md").read_text()
    assert _failures(machine.path("tune.xml")) == []
    said = machine.run(ci_files.gitlab("after_script"), **pipeline)
    assert said.code == 0, said.text
    metrics = dict(line.split() for line in machine.path("metrics.txt").read_text().splitlines())
    candidate = machine.document()["result"]["gates"]["candidate"]["score"]["value"]
    assert float(metrics["metaopt_candidate_score"]) == candidate
    assert float(metrics["metaopt_baseline_score"]) < 4


def test_cron_is_silent_while_all_is_well_and_mails_the_log_otherwise(
    first_night: object, server: Server, machine: Machine
) -> None:
    _, line = ci_files.cron_line()
    machine.path("api-key").write_text(f"{server.key}\n")
    said = machine.run(line, shell="sh", METAOPT_URL=server.url)
    assert said == Said(0, ""), said.text
    assert "Gates passed" in machine.path("tune.log").read_text()
    mailed = machine.run(line, shell="sh", METAOPT_URL=NOWHERE)
    assert "METAOPT_URL" in mailed.text


def test_the_systemd_service_submits_once_a_day(
    first_night: object, server: Server, machine: Machine
) -> None:
    script = ci_files.unit_script()
    assert script.environment["METAOPT_API_KEY_FILE"] == "%d/api-key"  # a file of LoadCredential
    machine.path("api-key").write_text(f"{server.key}\n")
    given = {"METAOPT_URL": server.url, "STATE_DIRECTORY": str(machine.folder)}
    given["METAOPT_API_KEY_FILE"] = str(machine.path("api-key"))
    said = machine.run(script, shell="sh", **given)
    assert said.code == 0, said.text
    study_id = machine.document()["study"]["study_id"]
    assert machine.run(script, shell="sh", **given).code == 0
    assert machine.document()["study"]["study_id"] == study_id
    assert "✅ gates passed" in machine.path("tune.md").read_text()


def test_pull_requests_are_compared_with_main_without_a_server(machine: Machine) -> None:
    pull_request = ci_files.step(ON_PR, "Judge the pull request")
    main_1 = {"name": "main", "version": 1}
    on_main = machine.github(ci_files.step(ON_PR, "Judge main"), 1)
    assert on_main.code == 0, on_main.text
    assert machine.document()["result"]["gates"]["promoted"] == main_1
    good = machine.github(pull_request, 2)
    assert good.code == 0, good.text
    gates = machine.document()["result"]["gates"]
    assert (gates["baseline_name"], gates["promoted"]) == (main_1, None)
    assert "✅ gates passed" in machine.path("step.md").read_text()
    machine.sabotage()
    bad = machine.github(pull_request, 3)
    assert bad.code == 1, bad.text
    assert machine.document()["result"]["gates"]["baseline_name"] == main_1
    summary = machine.path("step.md").read_text()
    assert "❌ gate failed" in summary and "`no-worse:0.5` | ❌ fail" in summary


def test_a_pull_request_without_a_baseline_is_judged_by_its_spec_and_told_so(
    machine: Machine,
) -> None:
    script = ci_files.step(ON_PR, "Judge the pull request without a baseline")
    said = machine.github(script, 1)
    assert said.code == 0, said.text
    assert said.text.startswith("::notice title=No baseline::")
    gates = machine.document()["result"]["gates"]
    assert [one["rule"] for one in gates["answers"]] == ["at-least:4"]
    assert gates["baseline_name"] is None and gates["promoted"] is None


def _failures(path: Path) -> list[str]:
    """Return the names of the test cases of a JUnit file that failed."""
    cases = ElementTree.parse(path).iter("testcase")
    return [str(one.get("name")) for one in cases if one.find("failure") is not None]
