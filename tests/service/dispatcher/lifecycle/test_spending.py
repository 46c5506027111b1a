"""Budgets that end searches: the loop on real tables, with an executor that follows a script."""

from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import Engine

from service.db.engine import reading, transaction
from service.db.tables import Spending, Study
from service.dispatcher.store.restore import load_study
from service.executors.base import SegmentOrder
from service.operations.change import change_study
from service.operations.lookup import show_study
from tests.fakes.executor import Holding, ScriptedExecutor
from tests.fakes.running import (
    Run,
    kinds,
    result,
    rows,
    set_status,
    wait_for,
)
from tests.fakes.specs import SMALL, small_spec
from tests.fakes.studies import submit
from tests.waiting import wait_until


def spec(trials: int = 4, **budget: Any) -> Any:
    return small_spec(
        branches=SMALL["branches"][:1],
        budget={"trials": trials, "meta_iterations": 180, **budget},
    )


def spending(engine: Engine, study_id: str) -> Spending:
    with reading(engine) as session:
        found = session.get_one(Spending, study_id)
        session.expunge(found)
    return found


def change(engine: Engine, study_id: str, **budget: Any) -> None:
    with transaction(engine) as session:
        change_study(session, study_id, {"budget": budget}, "*", now=datetime.now(UTC))


def test_meta_iterations_are_never_exceeded_and_the_best_so_far_are_judged(
    engine: Engine, run: Run
) -> None:
    study_id = submit(engine, spec(total_meta_iterations=303))
    run(ScriptedExecutor(slots=1))
    wait_for(engine, study_id, "completed")
    found = result(engine, study_id)
    assert found["search"]["meta_iterations"] == 300  # 3 left are not one for each of 4 lanes
    assert found["search"]["ended_by"] == "total_meta_iterations"
    assert found["search"]["judged_at"] == 60
    search = [trial for trial in rows(engine, study_id) if trial["role"] == "search"]
    assert {trial["status"] for trial in search} == {"pruned"}
    assert {trial["cause"] for trial in search} == {
        "the study's total_meta_iterations budget is spent"
    }
    assert sum(trial["meta_iteration"] for trial in search) == 300
    best = min(search, key=lambda trial: trial["score"])
    assert found["finalists"][0]["trial_number"] == best["trial_number"]
    assert found["finalists"][0]["search"]["score"] == best["score"]
    assert kinds(engine, study_id, "search_ended") == [{"by": "total_meta_iterations"}]


def test_trials_that_wait_for_promotion_end_with_the_budget(engine: Engine, run: Run) -> None:
    pruning = {"kind": "asha", "rungs": [60, 120], "reduction": 3}
    budget = {"trials": 30, "meta_iterations": 180, "total_meta_iterations": 2200}
    study_id = submit(
        engine, small_spec(branches=SMALL["branches"][:1], pruning=pruning, budget=budget)
    )
    run(ScriptedExecutor(slots=2))
    wait_for(engine, study_id, "completed")
    search = [trial for trial in rows(engine, study_id) if trial["role"] == "search"]
    assert {trial["status"] for trial in search} <= {"completed", "pruned", "cancelled"}
    assert spending(engine, study_id).meta_iterations <= 2200
    assert "pruned" in {trial["status"] for trial in search}
    assert result(engine, study_id)["search"]["ended_by"] == "total_meta_iterations"


def test_on_two_slots_too_no_meta_iteration_is_trained_twice_from_one_budget(
    engine: Engine, run: Run
) -> None:
    study_id = submit(engine, spec(trials=8, total_meta_iterations=500))
    run(ScriptedExecutor(slots=2))
    wait_for(engine, study_id, "completed")
    spent = spending(engine, study_id)
    assert 492 < spent.meta_iterations <= 500
    assert len(kinds(engine, study_id, "search_ended")) == 1
    assert spent.ended_by == "total_meta_iterations"


def test_device_seconds_end_a_search_after_the_segment_that_spent_them(
    engine: Engine, run: Run
) -> None:
    study_id = submit(engine, spec(device_seconds=0.1))  # 0.04 for each segment of four lanes
    run(ScriptedExecutor(slots=1))
    wait_for(engine, study_id, "completed")
    found = result(engine, study_id)
    assert found["search"]["ended_by"] == "device_seconds"
    assert found["search"]["device_seconds"] == pytest.approx(0.12)
    assert found["device_seconds"] > found["search"]["device_seconds"]


def test_a_branch_that_has_spent_its_seconds_ends_and_the_others_go_on(
    engine: Engine, run: Run
) -> None:
    first, second = SMALL["branches"]
    limited = small_spec(
        branches=[{**first, "device_seconds": 0.1}, second],
        budget={"trials": 24, "meta_iterations": 180},
    )
    study_id = submit(engine, limited)
    run(ScriptedExecutor(slots=1))
    wait_for(engine, study_id, "completed")
    search = [trial for trial in rows(engine, study_id) if trial["role"] == "search"]
    own = [trial for trial in search if trial["branch"] == first["algorithm"]]
    taken = sum(trial["device_seconds"] for trial in own)
    assert 0.1 <= taken < 0.2  # segments of four lanes take 0.04
    left = {trial["cause"] for trial in own if trial["status"] in ("pruned", "cancelled")}
    assert f"the device_seconds of branch {first['algorithm']} are spent" in left
    assert len(search) - len(own) > len(own)
    assert result(engine, study_id)["search"]["ended_by"] == "trials"
    with reading(engine) as session:
        again = load_study(session, study_id).branches
        shown = show_study(session, study_id).branches
    assert again[first["algorithm"]].device_seconds == pytest.approx(taken)
    assert again[first["algorithm"]].spent and not again[second["algorithm"]].spent
    assert shown[first["algorithm"]].device_seconds == pytest.approx(taken)
    assert shown[second["algorithm"]].device_seconds is None


def test_a_search_ends_where_every_branch_has_spent_its_seconds(engine: Engine, run: Run) -> None:
    only = [{**SMALL["branches"][0], "device_seconds": 0.1}]
    budget = {"trials": 4, "meta_iterations": 180}
    study_id = submit(engine, small_spec(branches=only, budget=budget))
    run(ScriptedExecutor(slots=1))
    wait_for(engine, study_id, "completed")
    assert result(engine, study_id)["search"]["ended_by"] == "device_seconds"


def test_a_search_without_any_score_fails_and_says_which_budget_was_too_small(
    engine: Engine, run: Run
) -> None:
    study_id = submit(engine, spec(total_meta_iterations=100))
    run(ScriptedExecutor(slots=1))
    wait_for(engine, study_id, "failed")
    with reading(engine) as session:
        error = session.get_one(Study, study_id).error
    assert error == (
        "no trial completed (4 cancelled); the first of them: "
        "the study's total_meta_iterations budget is spent"
    )


def test_a_target_that_is_reached_ends_the_search_and_keeps_what_completed(
    engine: Engine, run: Run
) -> None:
    study_id = submit(engine, small_spec(budget={"trials": 40, "meta_iterations": 180,
                                                 "target_score": 1.0}))  # fmt: skip
    executor = ScriptedExecutor(slots=1)
    run(executor)
    wait_for(engine, study_id, "completed")
    found = result(engine, study_id)
    assert found["search"]["ended_by"] == "target_score"
    assert found["search"]["judged_at"] == 180
    assert len([t for t in rows(engine, study_id) if t["role"] == "search"]) < 40


def test_a_search_that_finds_nothing_better_ends(engine: Engine, run: Run) -> None:
    spec = small_spec(
        branches=SMALL["branches"][:1],
        search={"sampler": "tpe", "startup_trials": 1},
        budget={"trials": 100, "meta_iterations": 180, "stagnation": 30},
    )
    study_id = submit(engine, spec)
    run(ScriptedExecutor(slots=1))
    wait_for(engine, study_id, "completed")
    search = [trial for trial in rows(engine, study_id) if trial["role"] == "search"]
    found = result(engine, study_id)["search"]["ended_by"]
    assert found == ("stagnation" if len(search) < 100 else "trials")
    best = min(range(len(search)), key=lambda i: search[i]["score"] or 9.0)
    assert len(search) >= min(100, best + 30)


def test_wall_seconds_end_a_search_while_its_segment_runs(engine: Engine, run: Run) -> None:
    study_id = submit(engine, spec(wall_seconds=0.3))
    executor = Holding(slots=1)
    run(executor)
    try:
        wait_until(lambda: bool(kinds(engine, study_id, "search_ended")), what="the end")
        assert {trial["status"] for trial in rows(engine, study_id)} == {"running"}
    finally:
        executor.release()
    wait_for(engine, study_id, "failed")
    assert {trial["status"] for trial in rows(engine, study_id)} == {"cancelled"}
    assert len(executor.orders) == 1


def test_accounts_go_on_after_a_restart_and_pauses_are_not_counted(
    engine: Engine, run: Run
) -> None:
    study_id = submit(engine, spec(total_meta_iterations=600))
    executor = ScriptedExecutor(slots=1)

    def pause(slot: str, order: SegmentOrder) -> Exception | None:
        if len(executor.orders) == 2:
            set_status(engine, study_id, "paused")
        return None

    executor._script = pause
    first = run(executor)
    wait_until(lambda: {t["status"] for t in rows(engine, study_id)} == {"queued"}, what="a pause")
    first.end()
    before = spending(engine, study_id)
    with reading(engine) as session:
        loaded = load_study(session, study_id)
    assert loaded.spent.meta_iterations == before.meta_iterations == 240
    assert loaded.spent.wall_seconds == before.wall_seconds > 0.0
    set_status(engine, study_id, "running")
    run(ScriptedExecutor(slots=1))
    wait_for(engine, study_id, "completed")
    after = result(engine, study_id)["search"]
    assert after["meta_iterations"] == 600
    assert after["ended_by"] == "total_meta_iterations"
    assert after["wall_seconds"] > before.wall_seconds


def test_what_was_left_when_the_dispatcher_died_ends_at_the_next_start(
    engine: Engine, run: Run
) -> None:
    study_id = submit(engine, spec(wall_seconds=0.3))
    executor = Holding(slots=1)
    first = run(executor)
    wait_until(lambda: bool(kinds(engine, study_id, "search_ended")), what="the end")
    first.stop.set()
    executor.release()
    first.end()
    run(ScriptedExecutor(slots=1))
    wait_for(engine, study_id, "failed")
    assert {trial["status"] for trial in rows(engine, study_id)} == {"cancelled"}


def test_a_budget_may_grow_while_the_search_runs(engine: Engine, run: Run) -> None:
    study_id = submit(engine, small_spec())
    executor = ScriptedExecutor(slots=1)

    def grow(slot: str, order: SegmentOrder) -> Exception | None:
        if len(executor.orders) == 3:
            change(engine, study_id, trials=9, device_seconds=1e6)
        return None

    executor._script = grow
    run(executor)
    wait_for(engine, study_id, "completed")
    trials = rows(engine, study_id)
    assert [t["trial_number"] for t in trials] == list(range(9 + 4))
    assert [t["branch"] for t in trials[:9]] == (["maml", "reptile"] * 5)[:9]
    assert [t["role"] for t in trials] == ["search"] * 9 + ["verdict"] * 4
    assert kinds(engine, study_id, "budget_changed") == [
        {"budget": {"trials": 9, "device_seconds": 1e6}}
    ]


def test_a_budget_may_shrink_to_what_has_begun(engine: Engine, run: Run) -> None:
    budget = {"trials": 40, "meta_iterations": 180}
    search = {"sampler": "tpe", "startup_trials": 2}
    study_id = submit(engine, small_spec(budget=budget, search=search))
    executor = ScriptedExecutor(slots=1)

    def shrink(slot: str, order: SegmentOrder) -> Exception | None:
        if len(executor.orders) == 2:
            change(engine, study_id, trials=20)
        return None

    executor._script = shrink
    run(executor)
    wait_for(engine, study_id, "completed")
    search_trials = [t for t in rows(engine, study_id) if t["role"] == "search"]
    assert len(search_trials) == 20
    assert result(engine, study_id)["search"]["ended_by"] == "trials"


def test_what_was_moved_between_branches_follows_from_the_rows(engine: Engine, run: Run) -> None:
    maml, reptile = SMALL["branches"]
    worse = {**maml, "space": {**maml["space"], "inner_lr": {"low": 0.2, "high": 0.3}}}
    better = {**reptile, "space": {"inner_lr": {"low": 0.002, "high": 0.003}}}
    halving = {"kind": "successive_halving", "rungs": [20, 60]}
    spec = small_spec(
        branches=[worse, better], budget={"trials": 40, "meta_iterations": 180}, pruning=halving
    )
    study_id = submit(engine, spec)

    def ended(least: int) -> bool:
        return sum(t["finished_at"] is not None for t in rows(engine, study_id)) >= least

    first = run(ScriptedExecutor(slots=1))
    wait_until(lambda: ended(24))
    first.end()
    with reading(engine) as session:
        before, again = load_study(session, study_id), load_study(session, study_id)
    budgets = {name: branch.budget for name, branch in before.branches.items()}
    assert budgets == {name: branch.budget for name, branch in again.branches.items()}
    assert budgets == {"maml": 10, "reptile": 30}
    assert before.leaders
    run(ScriptedExecutor(slots=1))
    wait_for(engine, study_id, "completed")
    searched = [t["branch"] for t in rows(engine, study_id) if t["role"] == "search"]
    assert (searched.count("maml"), searched.count("reptile")) == (10, 30)
    told = result(engine, study_id)["branches"]
    assert {name: one["trials"] for name, one in told.items()} == budgets


def test_warm_trials_run_first_and_are_logged_as_asks(engine: Engine, run: Run) -> None:
    point = {"inner_lr": 0.01, "outer_lr": 0.002}
    study_id = submit(
        engine, small_spec(warm_start={"trials": [{"branch": "maml", "params": point}]})
    )
    run(ScriptedExecutor(slots=1))
    wait_for(engine, study_id, "completed")
    first = rows(engine, study_id)[0]
    assert {name: first["params"][name] for name in point} == point
    assert first["status"] == "completed"
    with reading(engine) as session:
        study = load_study(session, study_id)
        again = load_study(session, study_id)
    assert study.branches["maml"].search.asks == 3
    assert study.branches["maml"].search.ask(100) == again.branches["maml"].search.ask(100)
