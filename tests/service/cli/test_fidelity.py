"""A real study with fewer tasks at lower rungs and first order before second, from end to end."""

import json
from pathlib import Path

import pytest
from sqlalchemy import Engine, select

from service.db.engine import reading
from service.db.tables import Attempt, Event
from tests.fakes.processes import DispatcherProcess
from tests.fakes.specs import SMALL
from tests.service.cli.conftest import Command
from tests.waiting import wait_until

SPEC = {
    **SMALL,
    "pruning": {
        "kind": "asha", "reduction": 2, "rungs": [60, 120], "tasks": [6, 12],
        "first_order_until": 60,
    },
    "budget": {"trials": 10, "meta_iterations": 180},
    "evaluation": {"tasks": 20, "curve_steps": 2},
    "verdict": {**SMALL["verdict"], "compare": "default"},
}  # fmt: skip
CHANGE = "goes on with second-order meta-gradients"

pytestmark = pytest.mark.slow


def test_a_study_with_both_fidelities_survives_a_kill_and_is_replayed(
    metaopt: Command, api: Engine, tmp_path: Path
) -> None:
    path = tmp_path / "study.json"
    path.write_text(json.dumps(SPEC))
    told = metaopt("preview", str(path))
    assert told.code == 0, told.err
    assert "on 6, 12, 20 tasks of the bank" in told.out
    assert "first-order meta-gradients up to meta-iteration 60" in told.out
    study_id = metaopt("submit", str(path)).out.strip()
    first = DispatcherProcess(str(api.url), tmp_path / "dispatcher")
    try:
        wait_until(lambda: moved(api) > 0, 60, what="a trial that changed its program")
        first.kill()
        second = DispatcherProcess(str(api.url), tmp_path / "dispatcher")
        try:
            wait_until(lambda: "study_completed" in kinds(api), 120, what="the study")
            assert_whole(metaopt, study_id, tmp_path)
            # Trial 0 is of maml, whose order is second: it is judged as it was trained.
            said = metaopt("evaluate", study_id, "0", "--seeds", "1", "--wait", "--json", "-")
            judged = json.loads(said.out)
            pruning = judged["study"]["spec"]["pruning"]
            assert (pruning["first_order_until"], pruning["rungs"]) == (60, [60])
            assert judged["result"]["first_order_until"] == 60
        finally:
            second.close()
    finally:
        first.close()


def assert_whole(metaopt: Command, study_id: str, tmp_path: Path) -> None:
    replayed = metaopt("replay", study_id)
    assert replayed.code == 0, replayed.out
    assert replayed.out.count("suggestions agree byte for byte") == 2
    page = metaopt("result", study_id)
    assert "order second: first-order meta-gradients up to meta-iteration 60" in page.out
    out = tmp_path / "report.md"
    assert metaopt("report", study_id, "--markdown", str(out)).code == 0
    report = out.read_text()
    assert "at 60 (6 tasks)" in report and "at 120 (12 tasks)" in report
    assert "at 180 (20 tasks)" in report
    said = metaopt("export", study_id, "--what", "reports", "--format", "json").out
    scored = {(r["role"], r["meta_iteration"], r["tasks"]) for r in json.loads(said)}
    assert scored == {("search", 60, 6), ("search", 120, 12), ("search", 180, 20),
                      ("verdict", 180, 20)}  # fmt: skip


def moved(engine: Engine) -> int:
    with reading(engine) as session:
        return len(session.scalars(select(Attempt).where(Attempt.cause == CHANGE)).all())


def kinds(engine: Engine) -> list[str]:
    with reading(engine) as session:
        return list(session.scalars(select(Event.kind)))
