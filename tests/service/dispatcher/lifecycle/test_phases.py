"""The phases of a study, from its search to its verdict."""

from pathlib import Path

from sqlalchemy import Engine

from service.db import asks
from service.db.engine import reading
from tests.fakes.executor import ScriptedExecutor
from tests.fakes.running import (
    Run,
    attempts,
    kinds,
    result,
    rows,
    wait_for,
)
from tests.fakes.specs import NAMED, SMALL, small_spec
from tests.fakes.studies import submit
from tests.waiting import wait_until


def test_a_study_runs_to_its_verdict(engine: Engine, run: Run, tmp_path: Path) -> None:
    study_id = submit(engine, small_spec())
    run(ScriptedExecutor())
    wait_for(engine, study_id, "completed")
    trials = rows(engine, study_id)
    assert [t["trial_number"] for t in trials] == list(range(10))
    assert [t["branch"] for t in trials][:6] == ["maml", "reptile"] * 3
    assert {t["status"] for t in trials} == {"completed"}
    assert [t["role"] for t in trials] == ["search"] * 6 + ["verdict"] * 4
    assert len(kinds(engine, study_id, "trial_reported")) == 6 * 3 + 4
    best = result(engine, study_id)["finalists"][0]
    assert best["trial_number"] == min(trials[:6], key=lambda t: t["score"])["trial_number"]
    wait_until(lambda: not list((tmp_path / "checkpoints").glob("*/*")), what="an empty disk")


def test_a_restart_keeps_branches_of_one_algorithm_apart(engine: Engine, run: Run) -> None:
    spec = small_spec(**NAMED)
    study_id = submit(engine, spec)
    executor = ScriptedExecutor(slots=1)
    first = run(executor)
    wait_until(lambda: len(kinds(engine, study_id, "trial_reported")) > 3, 20, what="some scores")
    first.end()
    again = ScriptedExecutor(slots=1)
    run(again)
    wait_for(engine, study_id, "completed")
    trials = {trial["trial_id"]: trial for trial in rows(engine, study_id)}
    trained = {
        (trials[lane.trial_id]["branch"], *order.signature["model"]["widths"], lane.params["order"])
        for _, order in [*executor.orders, *again.orders]
        for lane in order.admit
    }
    assert trained == {
        ("first", 16, 16, "first"), ("second", 16, 16, "second"), ("wide", 24, "first"),
    }  # fmt: skip
    with reading(engine) as session:
        logs = asks.log_of(session, study_id)
    assert {name: sum(ask.kind == "ask" for ask in log) for name, log in logs.items()} == {
        "first": 3, "second": 3, "wide": 3,
    }  # fmt: skip
    points = [ask.params["inner_lr"] for log in logs.values() for ask in log if ask.kind == "ask"]
    assert len(set(points)) == 9  # each branch has seeds of its own
    for finalist in result(engine, study_id)["finalists"]:
        own = [24] if finalist["branch"] == "wide" else [16, 16]
        assert (finalist["algorithm"], finalist["model"]["widths"]) == ("maml", own)


def test_asha_takes_paused_trials_up_again_and_trains_nothing_twice(
    engine: Engine, run: Run
) -> None:
    asha = {"kind": "asha", "rungs": [20, 60], "reduction": 3}
    study_id = submit(
        engine,
        small_spec(
            seed=2,  # with which better ones come late enough
            branches=SMALL["branches"][:1],
            budget={"trials": 40, "meta_iterations": 180},  # 16 lanes at a time: ranks change
            pruning=asha,
        ),
    )
    first = run(ScriptedExecutor(slots=1))
    wait_until(lambda: len(kinds(engine, study_id, "trial_reported")) > 6, 20, what="six scores")
    first.end()
    run(ScriptedExecutor(slots=1))
    wait_for(engine, study_id, "completed")
    search = [t for t in rows(engine, study_id) if t["role"] == "search"]
    at_end = [t for t in search if t["status"] == "completed"]
    assert {t["status"] for t in search} == {"completed", "pruned"}
    assert at_end and all(t["meta_iteration"] == 180 for t in at_end)
    assert {t["meta_iteration"] for t in search} <= {20, 60, 180}
    waited = [row.trial_id for row in attempts(engine, study_id) if row.cause == "waits at rung 20"]
    later = [
        row.from_meta_iteration
        for row in attempts(engine, study_id)
        if row.trial_id in waited and row.number > 1
    ]
    assert later, "nobody was promoted later"
    assert min(later) >= 20
