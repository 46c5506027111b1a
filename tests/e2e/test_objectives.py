"""Objectives and constraints on a real server, from the spec to the dashboard."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import httpx2
import optuna
import pytest

from metaopt.goals import dominates
from service.cli.commands.demo import free_port
from service.cli.main import run
from service.client.client import Client
from service.client.errors import ClientError
from service.db.optuna.storage import open_storage
from service.settings import Settings
from service.wire.views.result import StudyResult
from service.wire.views.studies import StudyView, TrialView
from tests.fakes.specs import SPREAD
from tests.waiting import wait_until

pytestmark = pytest.mark.slow


class Server(NamedTuple):
    """A `metaopt serve` of this module."""

    url: str
    settings: Settings


Command = Callable[..., str]


@pytest.fixture
def metaopt(
    server: Server, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Command:
    """Return what runs a command against the server, and what it prints."""
    monkeypatch.setenv("METAOPT_URL", server.url)
    monkeypatch.setenv("COLUMNS", "250")

    def command(*arguments: str) -> str:
        capsys.readouterr()
        assert run(arguments) == 0
        return capsys.readouterr().out

    return command


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    directory, port = tmp_path_factory.mktemp("server"), free_port()
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("METAOPT_")}
    own = {"METAOPT_DATA_DIRECTORY": str(directory), "METAOPT_SLOTS": "1"}
    environment = {**inherited, **own, "METAOPT_COMPILE": "never", "CUDA_VISIBLE_DEVICES": ""}
    served = Server(f"http://127.0.0.1:{port}", Settings(data_directory=Path(directory)))
    process = subprocess.Popen(
        [sys.executable, "-m", "service.cli", "serve", "--port", str(port)],
        env=environment,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_until(lambda: is_ready(served.url), 90, what="the server")
        yield served
    finally:
        process.terminate()
        process.wait(40)


def is_ready(url: str) -> bool:
    try:
        with Client(url) as client:
            return client.readiness() is None
    except ClientError:
        return False


def ended(server: Server, **changes: Any) -> StudyView:
    """Submit a study and wait for its end."""
    with Client(server.url) as client:
        study_id = client.submit({**SPREAD, **changes}).study_id

        def over() -> bool:
            return client.study(study_id).status in ("completed", "failed")

        wait_until(over, 240, what="the study's end")
        return client.study(study_id)


def found(server: Server, study: StudyView) -> tuple[StudyResult, list[TrialView]]:
    with Client(server.url) as client:
        trials = client.trials(study.study_id)
        return client.result(study.study_id), [t for t in trials if t.role == "search"]


def mirrored(server: Server, study: StudyView, branch: str) -> optuna.Study:
    """Return the branch as Optuna knows it, once the mirror is done with it."""
    name = f"{study.name} · {branch} · {study.study_id[:8]}"
    storage = open_storage(server.settings.url())

    def load() -> optuna.Study:
        return optuna.load_study(study_name=name, storage=storage)

    try:
        wait_until(lambda: "mirrored" in load().user_attrs, 60, what="the mirror")
        return load()
    finally:
        storage.remove_session()


def shown(server: Server, study: StudyView, branch: str) -> dict[str, Any]:
    """Return what Optuna Dashboard's own API shows of a branch."""
    with httpx2.Client(base_url=server.url) as http:
        summaries = http.get("/api/studies").json()["study_summaries"]
        name = f"{study.name} · {branch} · {study.study_id[:8]}"
        (one,) = [s["study_id"] for s in summaries if s["study_name"] == name]
        detail: dict[str, Any] = http.get(f"/api/studies/{one}").json()
        return detail


def test_a_study_with_two_objectives_ends_with_a_pareto_set(
    server: Server, metaopt: Command
) -> None:
    objectives = ["score", "adaptation_examples"]
    pruning = {"kind": "successive_halving", "rungs": [60], "reduction": 2}
    study = ended(server, name="two", objectives=objectives, pruning=pruning)
    assert (study.status, study.error) == ("completed", None)
    result, trials = found(server, study)
    completed = {t.trial_number: t for t in trials if t.status == "completed"}
    points = {
        n: (t.score or 0.0, (t.metrics or {})["adaptation_examples"]) for n, t in completed.items()
    }
    front = {n for n, p in points.items() if not any(dominates(q, p) for q in points.values())}
    assert result.pareto is not None and result.objectives == objectives
    assert {one.trial_number for one in result.pareto} == front
    for one in result.pareto:
        assert tuple(one.values.values()) == points[one.trial_number]
        assert one.values["adaptation_examples"] == 5 * int(one.params["inner_steps"])
    judged = [finalist.trial_number for finalist in result.finalists]
    assert set(judged) <= front and result.pareto[0].trial_number in judged
    assert all(finalist.sealed is not None for finalist in result.finalists)

    best: set[int] = set()
    for branch in ("maml", "reptile"):
        there = mirrored(server, study, branch)
        assert there.metric_names == ["mse", "adaptation_examples"]
        assert [direction.name for direction in there.directions] == ["MINIMIZE", "MINIMIZE"]
        best |= {trial.user_attrs["trial_number"] for trial in there.best_trials}
        detail = shown(server, study, branch)
        assert detail["directions"] == ["minimize", "minimize"]
        done = [t for t in detail["trials"] if t["state"] == "Complete"]
        assert all(len(trial["values"]) == 2 for trial in done)
    assert front <= best  # those of both branches together are among those of each

    assert "agree byte for byte" in metaopt("replay", study.study_id)
    assert "Pareto set of the search" in metaopt("result", study.study_id)
    assert "adaptation_examples=" in metaopt("show", study.study_id)
    with httpx2.Client(base_url=server.url) as http:
        page = http.get(f"/api/v1/studies/{study.study_id}/report.html").text
        report = http.get(f"/api/v1/studies/{study.study_id}/report").json()
    assert 'id="pareto"' in page and "The Pareto set of score, adaptation_examples" in page
    assert {p["trial_number"] for p in report["pareto"]["points"] if p["on_front"]} == front


def test_the_best_of_each_algorithm_is_judged_and_set_against_what_it_costs(
    server: Server, metaopt: Command
) -> None:
    maml, _ = SPREAD["branches"]
    study = ended(
        server,
        name="family",
        branches=[
            {**maml, "space": {**maml["space"], "inner_steps": 4}, "device_seconds": 900},
            {"algorithm": "cnp", "space": {"outer_lr": "default", "meta_batch": 4}},
        ],
        search={"sampler": "random", "currency": "device_seconds"},
        budget={"trials": 6, "meta_iterations": 120},
        verdict={
            "finalists": 1, "finalists_from": "each_branch", "seeds": 1, "tasks": 20,
            "compare": "none", "cost": "adaptation_flops",
        },
    )  # fmt: skip
    assert (study.status, study.error) == ("completed", None)
    assert (study.branches["maml"].device_seconds or 0.0) > 0
    result, trials = found(server, study)
    assert {finalist.branch for finalist in result.finalists} == {"maml", "cnp"}
    assert all((t.metrics or {})["adaptation_flops"] > 0 for t in trials if t.score is not None)
    examples = {t.branch: (t.metrics or {})["adaptation_examples"] for t in trials if t.metrics}
    assert examples == {"maml": 4 * 5.0, "cnp": 5.0}
    front = result.cost_front
    assert front is not None and front.metric == "adaptation_flops"
    by_branch = {point.branch: point for point in front.points}
    for finalist in result.finalists:
        assert finalist.sealed is not None
        assert by_branch[finalist.branch].cost == finalist.sealed_metrics["adaptation_flops"]
        assert by_branch[finalist.branch].score == finalist.sealed.score
    assert front.points[0].standing == "front"  # the cheapest
    assert "Score against cost" in metaopt("result", study.study_id)
    with httpx2.Client(base_url=server.url) as http:
        page = http.get(f"/api/v1/studies/{study.study_id}/report.html").text
    assert 'id="cost_front"' in page


def test_a_constraint_excludes_trials_from_the_finalists_and_is_shown(
    server: Server, metaopt: Command
) -> None:
    constraints = {
        "adaptation_examples": 10,
        "adaptation_milliseconds": 60000.0,
        "peak_memory_bytes": 1 << 30,
        "diverged_share": 0.5,
    }
    study = ended(server, name="bound", constraints=constraints)
    assert (study.status, study.error) == ("completed", None)
    result, trials = found(server, study)
    broken = {
        t.trial_number
        for t in trials
        if t.metrics is not None and t.metrics["adaptation_examples"] > 10
    }
    assert broken and result.infeasible == len(broken) and result.pareto is None
    for trial in trials:
        assert trial.metrics is not None
        assert trial.metrics["adaptation_milliseconds"] > 0
        assert trial.metrics["peak_memory_bytes"] > 1000
    assert result.finalists
    for finalist in result.finalists:
        assert finalist.trial_number not in broken
        assert finalist.metrics["adaptation_examples"] <= 10
        assert set(finalist.sealed_metrics) == set(finalist.metrics)
    for branch in ("maml", "reptile"):
        there = mirrored(server, study, branch)
        for one in there.trials:
            exceeds = one.user_attrs["trial_number"] in broken
            assert any(v > 0 for v in one.constraints.values()) == exceeds
        far = shown(server, study, branch)["trials"]
        own = [t.trial_number for t in trials if t.branch == branch]
        assert sum(max(one["constraints"]) > 0 for one in far) == len(broken.intersection(own))
    assert "agree byte for byte" in metaopt("replay", study.study_id)
    assert "bounds: peak_memory_bytes <= " in metaopt("result", study.study_id)


def test_a_study_in_which_nothing_is_feasible_says_which_bound_is_too_tight(
    server: Server,
) -> None:
    constraints = {"adaptation_examples": 4, "diverged_share": 0.5}
    budget = {"trials": 4, "meta_iterations": 120}
    study = ended(server, name="nothing", constraints=constraints, budget=budget)
    assert study.status == "failed" and study.error is not None
    assert "no trial keeps the constraints: 4 of 4 that were judged exceed" in study.error
    assert "adaptation_examples <= 4, the least any of them has is 5" in study.error
