"""Plug-ins of installed packages, through commands, client and REST: trained, refused, waited for.

One server with two packages that are allowed, one well made and one that raises and kills.
"""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine

from service.cli.exits import Exit
from service.client.client import Client
from service.client.errors import ServerRefused
from service.wire.views.studies import StudyView
from tests.fakes.plugins import ALGORITHM, MODULE, TASKS, importable, install, install_toys
from tests.fakes.processes import DispatcherProcess
from tests.service.cli.conftest import Command
from tests.waiting import wait_until

ALLOWED = "metaopt-toys==1.0, bad==2.0, remembering==1.0"
SPEC: dict[str, Any] = {
    "name": "somebody's own",
    "tasks": {"kind": "parabola", "k_shot": 4, "q_query": 4},
    "model": {"kind": "module", "ref": "metaopt_toys.nets:Net", "options": {"hidden": 6}},
    "branches": [
        {
            "algorithm": "pulled",
            "space": {"inner_lr": {"low": 0.01, "high": 0.2, "log": True}, "pull": 0.01},
        }
    ],
    "search": {"sampler": "random"},
    "pruning": {"kind": "none"},
    "budget": {"trials": 2, "meta_iterations": 20},
    "evaluation": {"tasks": 10, "curve_steps": 1},
    "verdict": {"finalists": 1, "seeds": 1, "tasks": 10, "compare": "none"},
}


REMEMBERING = '''"""What vmap cannot map."""

from torch import nn


class Net(nn.Module):
    """An LSTM."""

    def __init__(self, input_shape, outputs):
        super().__init__()
        self.memory = nn.LSTM(*input_shape, 2, batch_first=True)
        self.head = nn.Linear(2, outputs)

    def forward(self, x):
        return self.head(self.memory(x[:, None])[0][:, 0])
'''


def tasks(name: str, sampling: str) -> str:
    """The toy tasks by another name, whose sampling does this."""
    code = TASKS.replace('name="parabola"', f'name="{name}"')
    own = f"        def sample(self, *given, **named):\n            {sampling}\n\n"
    return "import os\n" + code.replace("        def sample(", f"{own}        def was(")


def with_tasks(kind: str) -> dict[str, Any]:
    branch = {"algorithm": "maml", "space": {"meta_batch": 4}}
    budget = {"trials": 1, "meta_iterations": 20}
    tasks, model = {**SPEC["tasks"], "kind": kind}, {"kind": "mlp", "widths": [8]}
    named = {"name": kind, "tasks": tasks, "model": model}
    return {**SPEC, **named, "branches": [branch], "budget": budget}


@pytest.fixture
def packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    directory = tmp_path / "packages"
    directory.mkdir()
    install_toys(directory)
    files = {
        "bad/killing.py": tasks("killing", "os._exit(7)"),
        "bad/raising.py": tasks("raising", "1 / 0"),
    }
    points = {"killing": "bad.killing:KIND", "raising": "bad.raising:KIND"}
    install(directory, "bad", "2.0", files, {"metaopt.tasks": points})
    nets, declared = {"remembering/nets.py": REMEMBERING}, {"net": "remembering.nets:Net"}
    install(directory, "remembering", "1.0", nets, {"metaopt.models": declared})
    other = tasks("not allowed", "raise SystemExit")
    point = {"not allowed": "other.tasks:KIND"}
    install(directory, "other", "3.0", {"other/tasks.py": other}, {"metaopt.tasks": point})
    monkeypatch.setenv("PYTHONPATH", str(directory), prepend=os.pathsep)
    with importable(directory):
        yield directory


@pytest.mark.slow
def test_a_file_of_ones_own_is_imported_by_run_alone(
    metaopt: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "of_my_own.py"
    file.write_text("\n".join((TASKS, MODULE, ALGORITHM.replace("KIND = ", "PULLED = "))))
    model = {**SPEC["model"], "ref": "of_my_own:Net"}
    path = tmp_path / "spec.json"
    path.write_text(json.dumps({**SPEC, "model": model}))
    monkeypatch.setenv("METAOPT_SLOTS", "1")
    monkeypatch.setenv("METAOPT_COMPILE", "never")
    with importable(tmp_path):
        said = metaopt("plugins", "--import", str(file))
        assert said.code == 0 and "of_my_own:Net" in said.out
        begun = metaopt("run", str(path), "--import", str(file), "--timeout", "0")
        assert begun.code == Exit.WAIT_TIMED_OUT, begun.err
        file.write_text(f"{file.read_text()}\n# another\n")
        result = tmp_path / "result.json"
        said = metaopt("run", str(path), "--import", str(file), "--json", str(result))
        assert said.code == 0, said.err
        assert "it is cancelled, and a new one begins" in said.err
    plugins = json.loads(result.read_text())["study"]["plugins"]
    assert {one["name"] for one in plugins} == {"parabola", "pulled", "of_my_own:Net"}
    assert {one["package"] for one in plugins} == {str(file)}


def test_a_server_for_others_imports_no_file(metaopt: Command, tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    said = metaopt("serve", "--host", "0.0.0.0", "--import", str(file))
    assert said.code == Exit.USAGE and f"got {file}" in said.err
    file.touch()
    said = metaopt("serve", "--host", "0.0.0.0", "--import", str(file))
    assert said.code == Exit.USAGE
    assert "--import is for a server of your own, on 127.0.0.1" in said.err


@pytest.fixture
def client(api: Engine) -> Iterator[Client]:
    with Client.from_environment() as client:
        yield client


def begin(api: Engine, data: Path, **settings: str) -> DispatcherProcess:
    log = data / "dispatcher.log"
    before = len(log.read_text()) if log.exists() else 0
    dispatcher = DispatcherProcess(str(api.url), data, METAOPT_COMPILE="never", **settings)
    wait_until(lambda: '"slots"' in dispatcher.log()[before:], 120, what="a live dispatcher")
    return dispatcher


def ended(client: Client, study_id: str) -> StudyView:
    wait_until(lambda: client.study(study_id).finished_at is not None, 200, what="its end")
    return client.study(study_id)


@pytest.mark.slow
def test_plugins_are_trained_refused_and_waited_for(
    packages: Path, api: Engine, client: Client, metaopt: Command, tmp_path: Path
) -> None:
    dispatcher = begin(api, tmp_path / "server", METAOPT_PLUGINS=ALLOWED)
    try:
        check_what_is_listed(client, metaopt)
        check_that_a_study_is_tuned(client, metaopt, tmp_path)
        check_that_its_winner_is_used(client, metaopt, tmp_path)
        check_that_others_are_refused(metaopt, tmp_path)
        check_that_slow_modules_are_told(client, metaopt, tmp_path)
        check_that_bad_ones_fail_alone(client)
    finally:
        dispatcher.close()
    waiting = client.submit({**SPEC, "name": "waiting"}).study_id  # accepted, while nobody is there
    dispatcher = begin(api, tmp_path / "server")
    try:
        check_that_it_waits_for_what_is_gone(client, metaopt, waiting)
    finally:
        dispatcher.close()


def check_what_is_listed(client: Client, metaopt: Command) -> None:
    listed = {one.name: one for one in client.plugins.there()}
    assert listed["pulled"].record is not None and len(listed["pulled"].digest) == 64
    assert "other==3.0 to METAOPT_PLUGINS" in str(listed["not allowed"].refused)
    said = metaopt("plugins")
    assert said.code == 0 and "parabola" in said.out and "METAOPT_PLUGINS" in said.out


def check_that_a_study_is_tuned(client: Client, metaopt: Command, tmp_path: Path) -> None:
    path = tmp_path / "spec.json"
    path.write_text(json.dumps(SPEC))
    said = metaopt("submit", str(path), "--wait", "--timeout", "200")
    assert said.code == 0, said.err
    study = client.study("last")
    digests = {one.name: one.digest for one in client.plugins.there()}
    assert {(one.name, one.digest) for one in study.plugins} >= {
        (name, digests[name]) for name in ("parabola", "pulled", "metaopt_toys.nets:Net")
    }
    assert "metaopt-toys 1.0" in metaopt("show", study.study_id).out


def check_that_its_winner_is_used(client: Client, metaopt: Command, tmp_path: Path) -> None:
    study, support = client.study("last"), tmp_path / "support.csv"
    support.write_text("0.1,0.2\n0.5,0.1\n")
    adapt = ("adapt", study.study_id, "--support", str(support))
    said = metaopt(*adapt)
    assert said.code == Exit.USAGE and "METAOPT_PLUGINS=package==version" in said.err
    with pytest.MonkeyPatch.context() as own:
        own.setenv("METAOPT_PLUGINS", "metaopt-toys==1.0")
        said = metaopt(*adapt)
        assert said.code == 0 and len(said.out.splitlines()) == 2, said.err
    said = metaopt("evaluate", study.study_id, "0")
    assert said.code == 0, said.err
    judged = client.study(said.out.strip())
    assert judged.plugins == study.plugins
    client.cancel(judged.study_id)


def check_that_others_are_refused(metaopt: Command, tmp_path: Path) -> None:
    path = tmp_path / "refused.json"
    path.write_text(json.dumps(with_tasks("not allowed")))
    said = metaopt("submit", str(path))
    assert said.code == Exit.USAGE
    assert "tasks.kind" in said.err and "METAOPT_PLUGINS" in said.err


def check_that_slow_modules_are_told(client: Client, metaopt: Command, tmp_path: Path) -> None:
    mapped = client.preview(SPEC).branches[0]
    assert mapped.lane_by_lane is False
    model = {"kind": "module", "ref": "remembering.nets:Net"}
    spec = {**SPEC, "name": "slow", "model": model, "budget": {"trials": 1, "meta_iterations": 3}}
    path = tmp_path / "slow.json"
    path.write_text(json.dumps(spec))
    said = metaopt("preview", str(path))
    assert "whether its lanes are one program: that is found when a worker first" in said.out
    said = metaopt("submit", str(path), "--wait", "--timeout", "200")
    assert said.code == 0, said.err
    (branch,) = client.preview(spec).branches
    assert branch.lane_by_lane and "LSTM" in branch.lane_by_lane_from
    told = f"remembering.nets:Net is computed lane by lane, because {branch.lane_by_lane_from}"
    (warning,) = [one for one in client.study("last").warnings if "lane by lane" in one]
    assert told in warning and "as long as one after the other, and are not compiled" in warning
    assert f"warning: {warning}" in metaopt("preview", str(path)).out
    assert warning in metaopt("show", "last").out.replace("\n", " ")
    assert warning in metaopt("doctor").out


def check_that_bad_ones_fail_alone(client: Client) -> None:
    kinds = ("killing", "raising", "sinusoid")
    ids = {kind: client.submit(with_tasks(kind)).study_id for kind in kinds}
    views = {kind: ended(client, study_id) for kind, study_id in ids.items()}
    assert {kind: view.status for kind, view in views.items()} == {
        "killing": "failed", "raising": "failed", "sinusoid": "completed",
    }  # fmt: skip
    causes = {kind: next(iter(client.trials(ids[kind]))).cause for kind in kinds}
    assert "exit code 7" in str(causes["killing"])
    assert "ZeroDivisionError" in str(causes["raising"])


def check_that_it_waits_for_what_is_gone(client: Client, metaopt: Command, waiting: str) -> None:
    before = client.study("somebody's own")
    assert before.status == "completed" and before.spec.tasks.kind == "parabola"
    assert metaopt("show", before.study_id, "--full").code == 0
    assert metaopt("report", before.study_id, "--json", "-").code == 0
    with pytest.raises(ServerRefused, match="METAOPT_PLUGINS"):
        client.submit(SPEC)
    ours = client.submit(with_tasks("sinusoid"))
    assert ended(client, ours.study_id).status == "completed"
    view = client.study(waiting)
    assert view.status == "queued"
    assert view.waits is not None and view.waits.reason == "plugins"
    assert "plug-in parabola of metaopt-toys 1.0" in view.waits.sentence
    assert client.cancel(waiting).status == "cancelled"
