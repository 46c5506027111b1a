"""Trials that change their program go on in the other one, on real tables."""

from typing import Any

import pytest
from sqlalchemy import Engine, select

from service.db.engine import reading
from service.db.tables import Ask, Report, Trial
from service.dispatcher.store.restore import load_study
from service.executors.base import SegmentFailed, SegmentOrder
from service.wire.spec.study import StudySpec
from tests.fakes.executor import ScriptedExecutor
from tests.fakes.running import (
    Run,
    assert_log_repeats,
    attempts,
    kinds,
    result,
    rows,
    segments,
    wait_for,
)
from tests.fakes.specs import small_spec
from tests.fakes.studies import submit
from tests.waiting import wait_until

SPACE = {"inner_lr": {"low": 0.003, "high": 0.3, "log": True}, "inner_steps": 1, "meta_batch": 4}
BRANCHES = [{"algorithm": "maml", "space": SPACE}]
BOTH = {"rungs": [20, 60], "tasks": [4, 10], "first_order_until": 60}
MOVED = "goes on with second-order meta-gradients"


def spec(kind: str = "successive_halving", trials: int = 6, **changes: Any) -> StudySpec:
    return small_spec(
        **{
            "branches": BRANCHES,
            "budget": {"trials": trials, "meta_iterations": 180},
            "pruning": {**BOTH, "kind": kind},
            **changes,
        }
    )


def tasks_at(engine: Engine, study_id: str, role: str) -> dict[int, set[int]]:
    """Return on how many tasks trials of a role were scored, by rung."""
    query = select(Report.meta_iteration, Report.scores).join(Trial)
    found: dict[int, set[int]] = {}
    with reading(engine) as session:
        where = query.where(Trial.study_id == study_id, Trial.role == role)
        for rung, scores in session.execute(where):
            found.setdefault(rung, set()).add(len(scores))
    return found


def any_moved(engine: Engine, study_id: str) -> bool:
    started = kinds(engine, study_id, "trial_started")
    return any(data["meta_iteration"] == 60 for data in started)


def test_a_study_with_both_fidelities_runs_to_its_verdict(engine: Engine, run: Run) -> None:
    study_id = submit(engine, spec())
    executor = ScriptedExecutor(slots=2)
    run(executor)
    wait_for(engine, study_id, "completed")
    trials = rows(engine, study_id)
    assert {t["params"]["order"] for t in trials} == {"second"}  # what was asked for
    assert tasks_at(engine, study_id, "search") == {20: {4}, 60: {10}, 180: {20}}
    assert tasks_at(engine, study_id, "verdict") == {180: {20}}
    moved = [row for row in attempts(engine, study_id) if row.cause == MOVED]
    beyond = {t["trial_id"] for t in trials if t["meta_iteration"] > 60}
    assert {row.trial_id for row in moved} == beyond and len(moved) == len(beyond)
    assert len({one.signature for one in segments(engine, study_id)}) == 2
    assert {t["attempts"] for t in trials} == {0}
    assert result(engine, study_id)["first_order_until"] == 60
    assert_log_repeats(engine, study_id)
    with reading(engine) as session:
        told = session.scalars(select(Ask.outcome).where(Ask.outcome == "paused")).all()
    assert told == []  # to change the program is no pause


@pytest.mark.parametrize("kind", ["asha", "race", "median"])
def test_a_restart_between_the_programs_changes_nothing(
    engine: Engine, run: Run, kind: str
) -> None:
    study_id = submit(engine, spec(kind, trials=20))
    first = run(ScriptedExecutor(slots=1))
    wait_until(lambda: any_moved(engine, study_id), 20, what="a trial that changed its program")
    first.end()
    with reading(engine) as session:
        loaded = load_study(session, study_id)
    for trial in loaded.trials.values():
        order = loaded.signatures[trial.group.signature].structure["order"]
        assert order == ("first" if trial.meta_iteration < 60 else "second")
    run(ScriptedExecutor(slots=1))
    wait_for(engine, study_id, "completed")
    at = tasks_at(engine, study_id, "search")
    assert at == {20: {4}, 60: {10}, 180: {20}}
    assert_log_repeats(engine, study_id)


def test_a_trial_that_begins_anew_begins_in_the_first_program(engine: Engine, run: Run) -> None:
    study_id = submit(engine, spec(trials=1, pruning={**BOTH, "kind": "none"}))
    damaged: list[str] = []

    def damage(slot: str, order: SegmentOrder) -> Exception | None:
        second = order.signature["structure"]["order"] == "second"
        if second and not damaged:
            damaged.extend(lane.trial_id for lane in order.admit)
            return SegmentFailed("bytes", kind="CorruptCheckpoint", invalid=False)
        return None

    run(ScriptedExecutor(slots=1, script=damage))
    wait_for(engine, study_id, "completed")
    trial = next(t for t in rows(engine, study_id) if t["trial_id"] == damaged[0])
    assert trial["status"] == "completed"
    began = [a.from_meta_iteration for a in attempts(engine, study_id) if a.trial_id in damaged]
    assert began[:2] == [0, 60] and 20 <= began[2] < 60 and began[3:] == [60]
