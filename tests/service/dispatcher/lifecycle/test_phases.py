"""The phases of a study, from its search to its verdict."""

from pathlib import Path

from sqlalchemy import Engine

from tests.fakes.executor import ScriptedExecutor
from tests.fakes.running import (
    Run,
    attempts,
    kinds,
    result,
    rows,
    wait_for,
)
from tests.fakes.specs import SMALL, small_spec
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
