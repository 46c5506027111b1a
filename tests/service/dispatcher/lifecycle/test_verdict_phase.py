"""The verdict's phase on real tables: who is trained afresh, and the result of it."""

import pytest
from sqlalchemy import Engine

from service.db import reports
from service.db.engine import reading
from service.db.tables import Study
from service.executors.base import SegmentOrder, WorkerGone, WorkerLost
from tests.fakes.executor import ScriptedExecutor
from tests.fakes.running import (
    Run,
    kinds,
    result,
    rows,
    wait_for,
)
from tests.fakes.specs import SMALL, small_spec
from tests.fakes.studies import submit
from tests.waiting import wait_until

ONE_BRANCH = {"branches": SMALL["branches"][:1], "budget": {"trials": 4, "meta_iterations": 180}}


def test_a_verdict_is_judged_on_sealed_tasks_with_new_seeds(engine: Engine, run: Run) -> None:
    study_id = submit(engine, small_spec())
    executor = ScriptedExecutor()
    run(executor)
    wait_for(engine, study_id, "completed")
    splits = {(order.bank["split"], order.bank["seed"]) for _, order in executor.orders}
    assert {split for split, _ in splits} == {"validation", "test"}
    assert len({seed for _, seed in splits}) == 2
    seeds = [trial["seed"] for trial in rows(engine, study_id)]
    assert len(set(seeds)) == len(seeds)


def test_a_verdict_trains_the_defaults_too_and_counts_each_look(engine: Engine, run: Run) -> None:
    verdict = {**SMALL["verdict"], "compare": "default"}
    study_id = submit(engine, small_spec(**ONE_BRANCH, verdict=verdict))
    run(ScriptedExecutor())
    wait_for(engine, study_id, "completed")
    fresh = [trial for trial in rows(engine, study_id) if trial["role"] == "verdict"]
    found = result(engine, study_id)
    assert len(fresh) == 3 * 2
    assert [trial["source_trial_number"] for trial in fresh[4:]] == [None, None]
    default = found["comparison"]
    assert default["sealed"]["score"] == pytest.approx(0.01 + 0.0005)  # the scripted score
    best = found["finalists"][0]
    gap = best["params"]["inner_lr"] - default["params"]["inner_lr"]
    assert default["difference"]["value"] == pytest.approx(gap)
    assert [run["trial_number"] for run in default["runs"]] == [8, 9]
    assert best["cost"]["fresh_meta_iterations"] == 2 * 180
    with reading(engine) as session:
        assert session.get_one(Study, study_id).sealed_looks == 6


def test_a_verdict_says_what_meta_learning_was_worth(engine: Engine, run: Run) -> None:
    listed = ["default", "scratch", "ridge", "pretrain", "support_mean"]
    verdict = {**SMALL["verdict"], "finalists": 1, "compare": listed}
    study_id = submit(engine, small_spec(**ONE_BRANCH, verdict=verdict))
    executor = ScriptedExecutor()
    run(executor)
    wait_for(engine, study_id, "completed")
    found, fresh = result(engine, study_id), rows(engine, study_id)
    beside = [trial for trial in fresh if trial["role"] == "verdict"][2:]
    assert [trial["branch"] for trial in beside] == ["maml"] * 2 + ["scratch"] * 2 + [
        "pretrain"
    ] * 2
    assert found["comparison"]["compared_with"] == "default"
    assert [each["compared_with"] for each in found["comparisons"]] == ["scratch", "pretrain"]
    ways = {row["name"]: row for row in found["without_meta_learning"]}
    assert list(ways) == ["scratch", "ridge", "pretrain", "support_mean"]
    best = found["finalists"][0]
    scratch = found["comparisons"][0]
    assert scratch["params"]["inner_lr"] == 0.01 and len(scratch["runs"]) == 2
    gap = best["sealed"]["score"] - scratch["sealed"]["score"]
    assert ways["scratch"]["difference"]["value"] == pytest.approx(gap)
    assert ways["scratch"]["device_seconds"] == scratch["cost"]["fresh_device_seconds"] > 0
    trivial = {each["name"]: each for each in found["trivial"]["predictors"]}
    assert ways["ridge"]["difference"] == trivial["ridge"]["difference"]
    assert not ways["ridge"]["trained"] and ways["scratch"]["trained"]
    splits = {
        (order.bank["split"], order.bank["seed"]) for _, order in executor.orders if order.evaluate
    }
    assert len(splits) == 2, "the search's tasks, and the sealed ones for all others"


def test_a_verdict_compares_with_a_published_recipe_and_says_so(engine: Engine, run: Run) -> None:
    verdict = {**SMALL["verdict"], "compare": "paper:maml-sinusoid"}
    study_id = submit(engine, small_spec(**ONE_BRANCH, verdict=verdict))
    run(ScriptedExecutor())
    wait_for(engine, study_id, "completed")
    comparison = result(engine, study_id)["comparison"]
    assert comparison["compared_with"] == "paper:maml-sinusoid"
    assert comparison["params"]["meta_batch"] == 25
    assert comparison["difference"] is not None and len(comparison["runs"]) == 2
    fresh = [trial for trial in rows(engine, study_id) if trial["role"] == "verdict"]
    assert [t["source_trial_number"] for t in fresh[4:]] == [None, None]
    assert all(t["params"] == comparison["params"] for t in fresh[4:])


def test_extra_finalists_are_judged_where_the_search_leaves_it_open(
    engine: Engine, run: Run
) -> None:
    verdict = {"finalists": 1, "extra_finalists": 2, "seeds": 1, "tasks": 20, "compare": "none"}
    same = [{"algorithm": "maml", "space": {"inner_lr": 0.01, "outer_lr": "default"}}]
    study_id = submit(engine, small_spec(**{**ONE_BRANCH, "branches": same}, verdict=verdict))
    run(ScriptedExecutor())  # scores follow the inner rate: all are equal
    wait_for(engine, study_id, "completed")
    finalists = result(engine, study_id)["finalists"]
    assert sorted(one["trial_number"] for one in finalists) == [0, 1, 2]


def test_trivial_predictors_are_scored_once_on_the_sealed_tasks(engine: Engine, run: Run) -> None:
    study_id = submit(engine, small_spec(**ONE_BRANCH))
    executor = ScriptedExecutor()
    run(executor)
    wait_for(engine, study_id, "completed")
    asked = [order for _, order in executor.orders if order.trivial_tasks]
    assert len(asked) == 1 and asked[0].bank["split"] == "test" and asked[0].evaluate
    tasks = SMALL["verdict"]["tasks"]
    assert asked[0].trivial_tasks == tasks
    trivial = result(engine, study_id)["trivial"]
    assert [one["name"] for one in trivial["predictors"]] == ["support_mean", "ridge"]
    assert trivial["answer"] == "better"
    support_mean = trivial["predictors"][0]
    assert len(support_mean["scores"]) == tasks and support_mean["standing"] == "better"
    assert support_mean["sealed"]["value"] == pytest.approx(5.001, abs=0.001)
    with reading(engine) as session:
        stored = reports.trivial_scores(session, study_id, "sealed")
    assert stored["support_mean"] == support_mean["scores"]


def test_a_winner_that_a_trivial_predictor_beats_is_said_to_be_useless(
    engine: Engine, run: Run
) -> None:
    study_id = submit(engine, small_spec(**ONE_BRANCH))
    executor = ScriptedExecutor()
    executor.support_mean = 1e-5
    run(executor)
    wait_for(engine, study_id, "completed")
    trivial = result(engine, study_id)["trivial"]
    assert trivial["answer"] == "useless" and trivial["predictors"][0]["standing"] == "worse"


def test_scores_of_trivial_predictors_outlive_their_dispatcher(engine: Engine, run: Run) -> None:
    study_id = submit(engine, small_spec(**ONE_BRANCH))
    first, known = ScriptedExecutor(), {"then": False}

    def breaks_after_them(slot: str, order: SegmentOrder) -> Exception | None:
        known["then"] |= any(given.trivial_tasks for _, given in first.orders[:-1])
        return WorkerGone("unplugged") if known["then"] else None

    first._script = breaks_after_them
    running = run(first)
    wait_until(lambda: known["then"], 30, what="an order after that")
    running.end()
    second = ScriptedExecutor()
    run(second)
    wait_for(engine, study_id, "completed")
    assert not any(order.trivial_tasks for _, order in second.orders)
    assert result(engine, study_id)["trivial"]["answer"] == "better"


def test_a_worker_that_is_lost_with_them_leaves_them_to_the_next(engine: Engine, run: Run) -> None:
    study_id = submit(engine, small_spec(**ONE_BRANCH))
    executor, lost = ScriptedExecutor(), []

    def lost_once(slot: str, order: SegmentOrder) -> Exception | None:
        if not order.trivial_tasks or lost:
            return None
        lost.append(slot)
        return WorkerLost("its worker died")

    executor._script = lost_once
    run(executor)
    wait_for(engine, study_id, "completed")
    assert lost and result(engine, study_id)["trivial"]["answer"] == "better"


def test_where_they_cannot_be_scored_the_verdict_says_nothing_and_a_warning_why(
    engine: Engine, run: Run
) -> None:
    study_id = submit(engine, small_spec(**ONE_BRANCH))
    executor = ScriptedExecutor()
    executor.trivial_failure = "RuntimeError: seven is too many"
    run(executor)
    wait_for(engine, study_id, "completed")
    assert result(engine, study_id)["trivial"] is None
    assert sum(order.trivial_tasks > 0 for _, order in executor.orders) == 1
    (event,) = kinds(engine, study_id, "study_warned")
    assert "trivial predictors could not be scored (RuntimeError: seven" in event["warning"]
