"""The dispatcher's loop on real tables, with an executor that follows a script."""

import threading
import time
from pathlib import Path
from typing import Any

import pytest
from optuna.samplers import GPSampler
from optuna.study import Study as OptunaStudy
from sqlalchemy import Engine, select, update

from service.db.dispatcher import EpochLost, acquire
from service.db.engine import reading, transaction
from service.db.tables import Attempt, Report, Study, Trial
from service.dispatcher.store.restore import load_study
from service.executors.base import (
    MachineFailed,
    OutOfMemory,
    SegmentFailed,
    SegmentOrder,
    SegmentReport,
    WorkerGone,
    WorkerLost,
)
from tests.fakes.executor import Holding, ScriptedExecutor
from tests.fakes.running import (
    Run,
    assert_log_repeats,
    attempts,
    kinds,
    log_of,
    result,
    rows,
    segments,
    set_status,
    statuses,
    wait_for,
)
from tests.fakes.specs import SMALL, small_spec
from tests.fakes.studies import submit
from tests.waiting import wait_until

ONE_BRANCH = {"branches": SMALL["branches"][:1], "budget": {"trials": 4, "meta_iterations": 180}}


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


def test_each_segment_is_a_row_written_with_its_report(engine: Engine, run: Run) -> None:
    study_id = submit(engine, small_spec(**ONE_BRANCH))
    executor = ScriptedExecutor(slots=1)
    running = run(executor)
    wait_for(engine, study_id, "completed")
    found = segments(engine, study_id)
    assert [(s.lanes, s.meta_iterations) for s in found] == [
        (width, order.iterations)
        for width, (_, order) in zip(executor.widths, executor.orders, strict=True)
    ]
    assert [s.role == "verdict" for s in found] == [
        order.bank["split"] == "test" for _, order in executor.orders
    ]
    first = found[0]
    assert (first.slot, first.branch, first.epoch) == ("cpu:0", "maml", running.epoch)
    assert (first.program, first.sample_share, first.device) == ("eager", None, "CPU")
    assert (first.seconds, first.train_seconds, first.evaluate_seconds) == (0.04, 0.01, 0.0)
    assert first.started_at <= first.ended_at


def test_a_worker_that_was_idle_before_a_study_did_not_wait_for_it(
    engine: Engine, run: Run
) -> None:
    study_id = submit(engine, small_spec(**ONE_BRANCH))
    executor = ScriptedExecutor(slots=1)
    executor.wait_seconds = 3600.0
    begun = time.monotonic()
    run(executor)
    wait_for(engine, study_id, "completed")
    waits = [segment.wait_seconds for segment in segments(engine, study_id)]
    assert 0.0 <= min(waits) and max(waits) <= time.monotonic() - begun
    assert 0.0 < result(engine, study_id)["busy_share"] <= 1.0


def test_asha_takes_paused_trials_up_again_and_trains_nothing_twice(
    engine: Engine, run: Run
) -> None:
    asha = {"kind": "asha", "rungs": [20, 60], "reduction": 3}
    study_id = submit(
        engine,
        small_spec(
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


def test_a_race_knows_its_leaders_after_a_restart(engine: Engine, run: Run) -> None:
    race = {"kind": "race", "rungs": [20, 60]}
    study_id = submit(engine, small_spec(**ONE_BRANCH, pruning=race))
    run(ScriptedExecutor())
    wait_for(engine, study_id, "completed")
    search = [t for t in rows(engine, study_id) if t["role"] == "search"]
    assert {t["status"] for t in search} == {"completed", "pruned"}
    with reading(engine) as session:
        study = load_study(session, study_id)
    best = min(search, key=lambda t: t["score"])
    assert best["status"] == "completed"
    for place, leader in study.leaders.items():
        assert leader.loss == min(study.rung_losses[place].values())
        assert leader.loss == pytest.approx(sum(leader.losses) / len(leader.losses))
    assert {rung for _, rung in study.leaders} == {20, 60, 180}


def test_a_slot_without_work_is_time_that_the_study_had(engine: Engine, run: Run) -> None:
    one = {"trials": 1, "meta_iterations": 180}
    study_id = submit(engine, small_spec(**{**ONE_BRANCH, "budget": one}))
    executor = ScriptedExecutor(slots=4)
    begun = time.monotonic()
    run(executor)
    wait_for(engine, study_id, "completed")
    lived = time.monotonic() - begun
    found = segments(engine, study_id)
    spent = sum((s.ended_at - s.started_at).total_seconds() for s in found if s.role == "search")
    had = sum(s.slot_seconds for s in found if s.role == "search")
    assert 4 * spent <= had + 0.1 and had <= 4 * lived


def test_a_wait_within_a_study_counts_whole(engine: Engine, run: Run) -> None:
    study_id = submit(engine, small_spec(**ONE_BRANCH))
    executor = ScriptedExecutor(slots=1)
    executor.wait_seconds = 1e-6
    run(executor)
    wait_for(engine, study_id, "completed")
    assert {segment.wait_seconds for segment in segments(engine, study_id)} == {1e-6}


def test_lanes_move_to_a_slot_that_finds_no_work(engine: Engine, run: Run) -> None:
    study_id = submit(engine, small_spec())
    executor = ScriptedExecutor(slots=2)
    executor.seconds_per_iteration = 0.1

    def script(slot: str, order: SegmentOrder) -> Exception | None:
        if len(executor.orders) == 1:  # one branch is over at once, the other has three lanes
            executor.diverge.update(lane.trial_id for lane in order.admit)
        return None

    executor._script = script
    run(executor)
    wait_for(engine, study_id, "completed")
    with reading(engine) as session:
        causes = list(session.scalars(select(Attempt.cause).where(Attempt.outcome == "evicted")))
    assert causes == ["moved to a slot that found no work"]
    found = rows(engine, study_id)
    assert [trial["status"] for trial in found[:6]] == ["diverged", "completed"] * 3
    assert {trial["attempts"] for trial in found} == {0}
    assert len(kinds(engine, study_id, "trial_reported")) == 3 * 3 + 4


def test_what_a_restart_reads_is_what_the_loop_knew_of_costs(engine: Engine, run: Run) -> None:
    pruning = {"kind": "race", "rungs": [60, 120]}
    constraints = {"adaptation_milliseconds": 120.0}
    goals = {"objectives": ["score", "adaptation_milliseconds"], "constraints": constraints}
    study_id = submit(engine, small_spec(**ONE_BRANCH, pruning=pruning, **goals))
    running = run(ScriptedExecutor())
    wait_until(lambda: bool(running.dispatcher._studies), 30, what="the study's start")
    (known,) = running.dispatcher._studies.values()
    wait_for(engine, study_id, "completed")
    running.end()
    with reading(engine) as session:
        read = load_study(session, study_id)
    for place, metrics in known.rung_metrics.items():
        assert read.rung_metrics[place] == metrics
    assert set(known.leaders) <= set(read.leaders)
    assert all(read.leaders[place] == leader for place, leader in known.leaders.items())
    with reading(engine) as session:
        result = session.get_one(Study, study_id).result
        rates = {t.trial_number: t.params["inner_lr"] for t in session.scalars(select(Trial))}
    assert result is not None and result["objectives"] == goals["objectives"]
    for one in result["pareto"]:
        cost = one["values"]["adaptation_milliseconds"]
        assert cost == 1 / rates[one["trial_number"]] <= 120.0


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


def test_trials_are_spread_over_the_slots(engine: Engine, run: Run) -> None:
    submit(engine, small_spec(**ONE_BRANCH))
    executor = ScriptedExecutor(slots=2)
    run(executor)
    wait_until(lambda: len(executor.orders) >= 2, what="two orders")
    assert [(slot, len(order.admit)) for slot, order in executor.orders[:2]] == [
        ("cpu:0", 2),
        ("cpu:1", 2),
    ]


def test_a_diverged_trial_ends_alone(engine: Engine, run: Run) -> None:
    executor = ScriptedExecutor(slots=1)

    def script(slot: str, order: SegmentOrder) -> Exception | None:
        if len(executor.orders) == 1:
            executor.diverge.add(order.admit[0].trial_id)
        return None

    executor._script = script
    study_id = submit(engine, small_spec(**ONE_BRANCH))
    run(executor)
    wait_for(engine, study_id, "completed")
    first, *others = rows(engine, study_id)
    assert (first["status"], first["diverged_at"]) == ("diverged", 9)
    assert first["cause"] == "loss was not finite"
    assert {trial["status"] for trial in others} == {"completed"}
    assert result(engine, study_id)["trials"] == {"completed": 3, "diverged": 1}


def test_a_killer_is_found_among_its_neighbours(engine: Engine, run: Run) -> None:
    study_id = submit(engine, small_spec(**ONE_BRANCH))
    poison: list[str] = []

    def script(slot: str, order: SegmentOrder) -> Exception | None:
        poison.extend(lane.trial_id for lane in order.admit[:1] if not poison)
        deadly = {lane.trial_id for lane in order.admit} & set(poison)
        return WorkerLost("the worker died: SIGSEGV") if deadly else None

    run(ScriptedExecutor(slots=1, script=script))
    wait_for(engine, study_id, "completed")
    first, *others = rows(engine, study_id)
    assert (first["status"], first["attempts"]) == ("failed", 3)
    assert first["cause"] == "the worker died: SIGSEGV"
    assert {trial["status"] for trial in others} == {"completed"}
    assert {trial["attempts"] for trial in others} == {0}


def test_an_impossible_trial_fails_alone_and_at_once(engine: Engine, run: Run) -> None:
    study_id = submit(engine, small_spec(**ONE_BRANCH))

    def script(slot: str, order: SegmentOrder) -> Exception | None:
        return SegmentFailed("InvalidModel: too small", kind="InvalidModel", invalid=True)

    run(ScriptedExecutor(slots=1, script=script))
    wait_for(engine, study_id, "failed")
    assert {trial["status"] for trial in rows(engine, study_id)} == {"failed"}
    assert [trial["attempts"] for trial in rows(engine, study_id)] == [1, 1, 1, 1]
    with reading(engine) as session:
        error = session.get_one(Study, study_id).error
    assert error == "no trial completed (4 failed); the first of them: InvalidModel: too small"


def test_out_of_memory_halves_the_lanes_and_blames_nobody(engine: Engine, run: Run) -> None:
    study_id = submit(engine, small_spec(**ONE_BRANCH))
    executor = ScriptedExecutor(slots=1)

    def script(slot: str, order: SegmentOrder) -> Exception | None:
        return OutOfMemory("out of memory") if executor.widths[-1] > 2 else None

    executor._script = script
    run(executor)
    wait_for(engine, study_id, "completed")
    assert executor.widths[0] == 4
    assert max(executor.widths[1:5]) == 2
    assert {trial["attempts"] for trial in rows(engine, study_id)} == {0}


def test_a_slot_that_cannot_start_costs_no_trial_anything(engine: Engine, run: Run) -> None:
    study_id = submit(engine, small_spec(**ONE_BRANCH))

    def script(slot: str, order: SegmentOrder) -> Exception | None:
        return WorkerGone("no such device") if slot == "cpu:0" else None

    run(ScriptedExecutor(slots=2, script=script))
    wait_for(engine, study_id, "completed")
    trials = rows(engine, study_id)
    assert {trial["status"] for trial in trials} == {"completed"}
    assert {trial["attempts"] for trial in trials} == {0}


def test_a_full_disk_costs_no_trial_anything_and_its_slot_waits(engine: Engine, run: Run) -> None:
    study_id = submit(engine, small_spec(**ONE_BRANCH))
    executor = ScriptedExecutor(slots=1)
    begun: list[float] = []

    def script(slot: str, order: SegmentOrder) -> Exception | None:
        begun.append(time.monotonic())
        full = MachineFailed("OSError: no space left on device", kind="OSError")
        return full if len(begun) == 1 else None

    executor._script = script
    run(executor)
    wait_for(engine, study_id, "completed")
    trials = rows(engine, study_id)
    assert {(trial["status"], trial["attempts"]) for trial in trials} == {("completed", 0)}
    assert executor.widths[:2] == [4, 4]
    assert begun[1] - begun[0] > 0.9


def test_a_sampler_that_cannot_be_told_fails_its_own_study_only(
    engine: Engine, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = (submit(engine, small_spec(**ONE_BRANCH)) for _ in range(2))
    tell, broken = OptunaStudy.tell, iter([True])

    def break_once(*arguments: Any, **named: Any) -> Any:
        if next(broken, False):
            raise ZeroDivisionError("no variance")
        return tell(*arguments, **named)

    monkeypatch.setattr(OptunaStudy, "tell", break_once)
    run(ScriptedExecutor(slots=1))
    wait_for(engine, second, "completed")
    with reading(engine) as session:
        error = session.get_one(Study, first).error
    assert error == (
        "the search cannot go on: trial 0 cannot be told: ZeroDivisionError: no variance"
    )


def test_a_worker_that_reports_nonsense_is_given_its_lanes_again(engine: Engine, run: Run) -> None:
    study_id = submit(engine, small_spec(**ONE_BRANCH))
    executor = ScriptedExecutor(slots=1)
    nonsense = iter([True])
    executor._report = lambda ages, order: (  # type: ignore[method-assign]
        SegmentReport([], 0.0, 0.0, 0.0, 1, "CPU")
        if next(nonsense, False)
        else ScriptedExecutor._report(executor, ages, order)
    )
    run(executor)
    wait_for(engine, study_id, "completed")
    assert sorted(executor.orders[1][1].evict) == sorted(
        lane.trial_id for lane in executor.orders[0][1].admit
    )
    assert {trial["status"] for trial in rows(engine, study_id)} == {"completed"}
    assert {trial["attempts"] for trial in rows(engine, study_id)} == {0}


def test_a_paused_study_keeps_its_checkpoints_and_goes_on_when_resumed(
    engine: Engine, run: Run
) -> None:
    study_id = submit(engine, small_spec(**ONE_BRANCH))
    executor = ScriptedExecutor(slots=1)
    paused = threading.Event()

    def script(slot: str, order: SegmentOrder) -> Exception | None:
        if len(executor.orders) == 2:
            set_status(engine, study_id, "paused")
            paused.set()
        return None

    executor._script = script
    run(executor)
    assert paused.wait(20)
    wait_until(lambda: statuses(engine, study_id) == {"queued"}, what="queued trials")
    orders = len(executor.orders)
    ages = [trial["meta_iteration"] for trial in rows(engine, study_id)]
    assert min(ages) > 10
    set_status(engine, study_id, "running")
    wait_for(engine, study_id, "completed")
    assert all(lane.checkpoint for lane in executor.orders[orders][1].admit)
    assert len(kinds(engine, study_id, "trial_reported")) == 4 * 3 + 4


def test_a_study_resumed_while_its_segment_runs_goes_on_at_once(engine: Engine, run: Run) -> None:
    study_id = submit(engine, small_spec(**ONE_BRANCH))
    executor = Holding(slots=2)
    executor._script = lambda slot, order: (
        set_status(engine, study_id, "paused") if len(executor.orders) == 2 else None
    )
    run(executor)
    wait_until(lambda: "queued" in statuses(engine, study_id), what="the free slot's lanes queued")
    set_status(engine, study_id, "queued")
    try:
        wait_until(lambda: len(executor.orders) > 2, 5, what="another order")
        assert executor.held is not None and not executor.held.done()
    finally:
        executor.release()
    wait_for(engine, study_id, "completed")


def test_a_cancelled_study_ends_its_trials(engine: Engine, run: Run, tmp_path: Path) -> None:
    study_id = submit(engine, small_spec(**ONE_BRANCH))
    executor = ScriptedExecutor(slots=1)

    def script(slot: str, order: SegmentOrder) -> Exception | None:
        if len(executor.orders) == 2:
            set_status(engine, study_id, "cancelled")
        return None

    executor._script = script
    run(executor)
    wait_until(lambda: statuses(engine, study_id) == {"cancelled"}, what="cancelled trials")
    with reading(engine) as session:
        assert "running" not in session.scalars(select(Attempt.outcome)).all()
    wait_until(lambda: not list((tmp_path / "checkpoints").glob("*")), what="an empty disk")


def test_trials_of_a_study_cancelled_without_a_dispatcher_are_cancelled_at_the_next_start(
    engine: Engine, run: Run
) -> None:
    study_id = submit(engine, small_spec(**ONE_BRANCH))
    executor = ScriptedExecutor(slots=1)
    executor._script = lambda slot, order: set_status(engine, study_id, "paused")
    first = run(executor)
    wait_until(lambda: statuses(engine, study_id) == {"queued"}, what="queued trials")
    first.end()
    set_status(engine, study_id, "cancelled")
    second = ScriptedExecutor(slots=1)
    run(second)
    wait_until(lambda: statuses(engine, study_id) == {"cancelled"}, what="cancelled trials")
    assert second.orders == []


def test_a_second_study_gets_the_slot_the_first_leaves(engine: Engine, run: Run) -> None:
    one = small_spec(**{**ONE_BRANCH, "budget": {"trials": 1, "meta_iterations": 180}})
    first, second = submit(engine, one), submit(engine, one)
    executor = ScriptedExecutor(slots=2)
    run(executor)
    wait_for(engine, second, "completed")
    wait_for(engine, first, "completed")
    assert [order.study_id for _, order in executor.orders[:2]] == [first, second]


def test_a_replaced_dispatcher_writes_nothing_more(engine: Engine, run: Run) -> None:
    study_id = submit(engine, small_spec(**ONE_BRANCH))
    executor = ScriptedExecutor(slots=1)

    def take_over(slot: str, order: SegmentOrder) -> Exception | None:
        with transaction(engine) as session:
            acquire(session, "another", lambda _: True)
        return None

    executor._script = take_over
    old = run(executor)
    wait_until(lambda: old.error is not None, what="the old dispatcher's end")
    assert isinstance(old.error, EpochLost)
    old.error = None  # as it should be
    assert len(executor.orders) == 1
    with reading(engine) as session:
        assert session.scalars(select(Trial.meta_iteration)).all() == [0, 0, 0, 0]
        assert session.scalars(select(Report.trial_id)).all() == []
    run(ScriptedExecutor(slots=1))
    wait_for(engine, study_id, "completed")
    assert {trial["status"] for trial in rows(engine, study_id)} == {"completed"}


def test_a_study_whose_spec_is_unusable_fails_and_harms_no_other(engine: Engine, run: Run) -> None:
    broken = submit(engine, small_spec())
    with transaction(engine) as session:
        session.execute(
            update(Study).where(Study.study_id == broken).values(spec={"name": "nothing else"})
        )
    healthy = submit(engine, small_spec(**ONE_BRANCH))
    run(ScriptedExecutor())
    wait_for(engine, healthy, "completed")
    with reading(engine) as session:
        study = session.get_one(Study, broken)
        assert study.status == "failed"
        assert "cannot be loaded" in (study.error or "")


def test_a_learning_sampler_is_asked_as_results_come(engine: Engine, run: Run) -> None:
    spec = small_spec(
        branches=SMALL["branches"][:1],
        search={"sampler": "tpe", "startup_trials": 2},
        budget={"trials": 8, "meta_iterations": 180},
    )
    study_id = submit(engine, spec)
    executor = ScriptedExecutor(slots=1)
    run(executor)
    wait_for(engine, study_id, "completed")
    searching = [w for w, (_, o) in zip(executor.widths, executor.orders, strict=True)
                 if o.bank["split"] == "validation"]  # fmt: skip
    assert max(searching) == 2
    assert [trial["trial_number"] for trial in rows(engine, study_id)][:8] == list(range(8))


GP_BRANCH = {
    "branches": SMALL["branches"][:1],
    "search": {"sampler": "gp", "startup_trials": 1},
    "pruning": {"kind": "median", "rungs": [60, 120], "startup_trials": 0},
    "budget": {"trials": 10, "meta_iterations": 180},
}


def test_while_a_slow_sampler_looks_for_points_other_studies_go_on(
    engine: Engine, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks, go_on = threading.Event(), threading.Event()
    sample = GPSampler.sample_relative

    def wait_and_sample(*arguments: Any) -> Any:
        looks.set()
        assert go_on.wait(60)
        return sample(*arguments)

    monkeypatch.setattr(GPSampler, "sample_relative", wait_and_sample)
    one = small_spec(**{**ONE_BRANCH, "budget": {"trials": 1, "meta_iterations": 180}})
    other, slow = submit(engine, one), submit(engine, small_spec(**GP_BRANCH))
    executor = Holding(slots=2)
    run(executor)
    try:
        assert looks.wait(30)
        executor.release()
        wait_for(engine, other, "completed")
        wait_until(lambda: len(log_of(engine, slow, "tell")) == 3, what="the first trials' end")
        assert len(rows(engine, slow)) == 3
    finally:
        go_on.set()
    wait_for(engine, slow, "completed")
    assert_log_repeats(engine, slow)
    # The points were looked for before the tells that came meanwhile, and the log says so.
    first_found = log_of(engine, slow, "ask")[3]
    assert 0 < sum(place < first_found for place in log_of(engine, slow, "tell")) < 3


@pytest.mark.parametrize(
    ("sampler", "pruner"),
    [("cma-es", "median"), ("gp", "asha"), ("auto", "median"), ("tpe", "asha"), ("cma-es", "asha")],
)
def test_the_log_of_a_study_gives_every_suggestion_again(
    engine: Engine, run: Run, sampler: str, pruner: str
) -> None:
    search = {"sampler": sampler, "startup_trials": 2}
    pruning = {**GP_BRANCH["pruning"], "kind": pruner}
    study_id = submit(engine, small_spec(**{**GP_BRANCH, "search": search, "pruning": pruning}))
    executor = ScriptedExecutor(slots=2)

    def diverge_some(slot: str, order: SegmentOrder) -> Exception | None:
        executor.diverge.update(lane.trial_id for lane in order.admit if len(executor.orders) == 3)
        return None

    executor._script = diverge_some
    run(executor)
    wait_for(engine, study_id, "completed")
    assert_log_repeats(engine, study_id)


def test_a_branch_ends_with_its_grid(engine: Engine, run: Run) -> None:
    space = {"inner_lr": {"choices": [0.01, 0.02, 0.03]}, "inner_steps": 1}
    branches = [{"algorithm": "maml", "space": space}, SMALL["branches"][1]]
    spec = small_spec(
        branches=branches,
        search={"sampler": "grid", "grid_points": 4},
        budget={"trials": 10, "meta_iterations": 60},
        pruning={"kind": "none"},
    )
    study_id = submit(engine, spec)
    run(ScriptedExecutor())
    wait_for(engine, study_id, "completed")
    searched = [trial for trial in rows(engine, study_id) if trial["role"] == "search"]
    rates = [t["params"]["inner_lr"] for t in searched if t["branch"] == "maml"]
    assert sorted(rates) == [0.01, 0.02, 0.03]
    assert sum(trial["branch"] == "reptile" for trial in searched) == 4
