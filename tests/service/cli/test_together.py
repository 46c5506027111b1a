"""Everything a search can do in one study, over a kill: it ends whole, and its log repeats."""

import json
from pathlib import Path
from typing import Any

import optuna
import pytest
from sqlalchemy import Engine, func, select

from service.db.engine import reading
from service.db.optuna.storage import open_storage
from service.db.tables import Event, Report, Trial
from service.wire.views.result import StudyResult
from tests.fakes.processes import DispatcherProcess
from tests.fakes.specs import BOUND, TOGETHER
from tests.service.cli.conftest import Command
from tests.waiting import wait_until

KINDS = {
    "constraints and replicas": {"search": {**TOGETHER["search"], "replicates": 2}},
    "objectives": {
        "search": {**TOGETHER["search"], "sampler": "tpe"},
        "objectives": ["score", "adaptation_examples"],
    },
}

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("kind", KINDS)
def test_a_study_of_every_part_survives_a_kill_and_is_replayed(
    metaopt: Command, api: Engine, tmp_path: Path, kind: str
) -> None:
    spec = {**TOGETHER, **KINDS[kind]}
    path = tmp_path / "study.json"
    path.write_text(json.dumps(spec))
    told = metaopt("preview", str(path))
    assert told.code == 0, told.err
    study_id = metaopt("submit", str(path)).out.strip()
    first = DispatcherProcess(str(api.url), tmp_path / "dispatcher")
    try:
        wait_until(lambda: events(api).count("trial_reported") > 4, 60, what="some reports")
        first.kill()
        second = DispatcherProcess(str(api.url), tmp_path / "dispatcher")
        try:
            wait_until(lambda: "study_completed" in events(api), 120, what="the study")
            assert_whole(api, metaopt, study_id, spec)
            for branch in ("maml", "reptile"):
                assert_mirrored(api, study_id, branch, spec)
        finally:
            second.close()
    finally:
        first.close()


def assert_whole(api: Engine, metaopt: Command, study_id: str, spec: dict[str, Any]) -> None:
    replayed = metaopt("replay", study_id)
    assert replayed.code == 0, replayed.out
    assert replayed.out.count("suggestions agree byte for byte") == 2
    asked = spec["budget"]["trials"] - spec["search"].get("replicates", 0)
    with reading(api) as session:
        trials = session.scalars(select(Trial).order_by(Trial.trial_number)).all()
        search = [trial for trial in trials if trial.role == "search"]
        assert len(search) == asked
        assert {trial.status for trial in trials} <= {"completed", "pruned", "diverged"}
        twice = select(Report.trial_id).group_by(Report.trial_id, Report.meta_iteration)
        assert session.scalars(twice.having(func.count() > 1)).all() == []
        spent = sum(t.meta_iteration for t in trials if t.role in ("search", "replica"))
        assert spent <= spec["budget"]["trials"] * spec["budget"]["meta_iterations"]
        within = {
            trial.trial_number
            for trial in search
            if trial.status == "completed"
            and 5 * trial.params["inner_steps"] <= BOUND["adaptation_examples"]
        }
    result = StudyResult.model_validate(
        json.loads(metaopt("result", study_id, "--json", "-").out)["result"]
    )
    assert result.finalists
    assert {one.trial_number for one in result.finalists} <= within
    if "objectives" in spec:
        assert result.pareto and {one.trial_number for one in result.pareto} <= within
    report = metaopt("report", study_id, "--markdown", "-")
    assert report.code == 0 and "at 60 (6 tasks)" in report.out


def assert_mirrored(api: Engine, study_id: str, branch: str, spec: dict[str, Any]) -> None:
    storage = open_storage(str(api.url))
    name = f"{spec['name']} · {branch} · {study_id[:8]}"
    try:
        wait_until(
            lambda: "mirrored" in optuna.load_study(study_name=name, storage=storage).user_attrs,
            60,
            what="the mirror",
        )
        there = optuna.load_study(study_name=name, storage=storage)
        assert len(there.directions) == len(spec.get("objectives", ["score"]))
        numbers = {trial.user_attrs["trial_number"] for trial in there.trials}
    finally:
        storage.remove_session()
    with reading(api) as session:
        query = select(Trial.trial_number).where(Trial.role == "search", Trial.branch == branch)
        assert numbers == set(session.scalars(query))


def events(engine: Engine) -> list[str]:
    with reading(engine) as session:
        return list(session.scalars(select(Event.kind)))
