"""One algorithm in three branches, for real: to a verdict over a kill, told apart throughout."""

import csv
import io
import json
from pathlib import Path
from typing import Any

import optuna
import pytest
from sqlalchemy import Engine, select

from metaopt.winner import read_winner
from service.db.engine import reading
from service.db.optuna.storage import open_storage
from service.db.tables import Segment, Study, Trial
from service.wire.spec.study import StudySpec
from tests.fakes.processes import DispatcherProcess
from tests.fakes.specs import NAMED
from tests.service.cli.conftest import Command
from tests.service.cli.test_together import events
from tests.waiting import wait_until

NAMES = ["first", "second", "wide"]
WIDTHS = {"first": [16, 16], "second": [16, 16], "wide": [24]}
ORDERS = {"first": "first", "second": "second", "wide": "first"}

pytestmark = pytest.mark.slow


def test_branches_of_one_algorithm_are_told_apart_from_preview_to_winner(
    metaopt: Command, api: Engine, tmp_path: Path
) -> None:
    path = tmp_path / "named.json"
    path.write_text(json.dumps(NAMED))
    preview = metaopt("preview", str(path)).out
    assert "branch first (maml): 3 trials" in preview
    assert "branch wide (maml, mlp widths=[24] " in preview
    study_id = metaopt("submit", str(path)).out.strip()
    first = DispatcherProcess(str(api.url), tmp_path / "dispatcher")
    try:
        wait_until(lambda: events(api).count("trial_reported") > 2, 60, what="some reports")
        first.kill()
        second = DispatcherProcess(str(api.url), tmp_path / "dispatcher")
        try:
            wait_until(lambda: "study_completed" in events(api), 120, what="the study")
            assert_apart(api)
            assert_mirrored(api, study_id)
        finally:
            second.close()
    finally:
        first.close()
    replayed = metaopt("replay", study_id)
    assert replayed.code == 0
    lines = [f"{name}: 3 of 3 suggestions agree byte for byte" for name in NAMES]
    assert replayed.out.splitlines() == lines
    assert_results(metaopt, study_id, tmp_path)
    assert_used_again(metaopt, api, study_id, path)


def assert_apart(api: Engine) -> None:
    """Each branch has its trials, its order and its own programs, also those begun anew."""
    columns = Trial.role, Trial.branch, Trial.status, Trial.params
    with reading(api) as session:
        trials = session.execute(select(*columns)).all()
        segments = session.execute(select(Segment.branch, Segment.signature)).all()
    programs = {tuple(row) for row in segments}
    search = [trial for trial in trials if trial.role == "search"]
    assert {name: sum(t.branch == name for t in search) for name in NAMES} == dict.fromkeys(
        NAMES, 3
    )
    assert all(trial.params["order"] == ORDERS[trial.branch] for trial in trials)
    assert {trial.status for trial in trials} == {"completed"}
    assert len({signature for _, signature in programs}) == len(programs) == 3


def assert_mirrored(api: Engine, study_id: str) -> None:
    storage = open_storage(str(api.url))
    names = {f"{NAMED['name']} · {name} · {study_id[:8]}" for name in NAMES}

    def mirrored() -> bool:
        there = optuna.get_all_study_summaries(storage)
        return {s.study_name for s in there if "mirrored" in s.user_attrs} == names

    try:
        wait_until(mirrored, 60, what="the mirror")
        for name in NAMES:
            named = f"{NAMED['name']} · {name} · {study_id[:8]}"
            attributes = optuna.load_study(study_name=named, storage=storage).user_attrs
            assert (attributes["branch"], attributes["algorithm"]) == (name, "maml")
    finally:
        storage.remove_session()


def assert_results(metaopt: Command, study_id: str, tmp_path: Path) -> None:
    document = json.loads(metaopt("result", study_id, "--json", "-").out)
    result: dict[str, Any] = document["result"]
    assert list(result["branches"]) == NAMES
    assert {branch["algorithm"] for branch in result["branches"].values()} == {"maml"}
    for judged in [*result["finalists"], result["comparison"]]:
        assert judged["algorithm"] == "maml"
        assert judged["model"]["widths"] == WIDTHS[judged["branch"]]
    best = result["finalists"][0]
    printed = metaopt("result", study_id).out
    assert "branch second (maml): 3 trials" in printed
    assert "branch wide (maml, mlp widths=[24]): 3 trials" in printed
    folder = tmp_path / "winner"
    assert metaopt("download", study_id, "--to", str(folder)).code == 0
    card = read_winner((folder / "winner.safetensors").read_bytes()).card
    assert (card.algorithm, card.model["widths"]) == ("maml", WIDTHS[best["branch"]])
    rows = list(csv.DictReader(io.StringIO((folder / "trials.csv").read_text())))
    assert {(row["branch"], row["algorithm"]) for row in rows} == {(n, "maml") for n in NAMES}
    report = metaopt("report", study_id, "--markdown", "-").out
    assert all(name in report for name in NAMES)
    assert f"trial {best['trial_number']} ({best['branch']}: maml" in report.replace("\\", "")


def assert_used_again(metaopt: Command, api: Engine, study_id: str, path: Path) -> None:
    """A trial is judged again with its model, the search begins where this one ended, and its
    winner is a baseline that another study is compared with.
    """

    def spec_of(other: str) -> StudySpec:
        with reading(api) as session:
            return StudySpec.model_validate(session.get_one(Study, other.strip()).spec)

    judged = spec_of(metaopt("evaluate", study_id, "2").out)  # trial 2 is the third branch's first
    assert judged.model_of(judged.branches[0]).chosen()["widths"] == [24]
    assert judged.branches[0].name == "wide"
    begun = spec_of(metaopt("submit", str(path), "--set", f"warm_start.studies=[{study_id}]").out)
    with reading(api) as session:
        query = select(Trial).where(Trial.study_id == study_id, Trial.role == "search")
        found = {(one.branch, one.params["inner_lr"]) for one in session.scalars(query)}
    points = {(point.branch, point.params["inner_lr"]) for point in begun.warm_start.trials}
    assert len(points) == 3 and points <= found
    made = json.loads(metaopt("baseline", "promote", study_id, "--name", "main", "--json", "-").out)
    assert (made["algorithm"], made["model"]["widths"]) == ("maml", WIDTHS[made["branch"]])
    gated = ("--gate", "no-worse:3", "--baseline", "main", "--set", "branches.first.share=2")
    incumbent = spec_of(metaopt("submit", str(path), *gated).out).gates.incumbent
    assert incumbent is not None
    assert (incumbent.branch, incumbent.algorithm) == (made["branch"], "maml")
