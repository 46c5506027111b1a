"""The dispatcher's loop on real tables, with an executor that follows a script."""

import threading
from pathlib import Path
from typing import Any

import pytest
from optuna.samplers import GPSampler
from sqlalchemy import Engine, event, select, update

from service.db.dispatcher import EpochLost, acquire
from service.db.engine import reading, transaction
from service.db.tables import Attempt, Report, Study, Trial
from service.dispatcher.store.restore import load_study
from service.executors.base import (
    SegmentOrder,
)
from tests.fakes.executor import Holding, ScriptedExecutor
from tests.fakes.rows import add_trial
from tests.fakes.running import (
    Run,
    assert_log_repeats,
    kinds,
    log_of,
    rows,
    set_status,
    statuses,
    wait_for,
)
from tests.fakes.specs import SMALL, small_spec
from tests.fakes.studies import submit
from tests.waiting import wait_until

ONE_BRANCH = {"branches": SMALL["branches"][:1], "budget": {"trials": 4, "meta_iterations": 180}}


def test_a_race_knows_its_leaders_after_a_restart(engine: Engine, run: Run) -> None:
    race = {"kind": "race", "rungs": [20, 60], "startup_trials": 1}
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
        assert {one.trial_number for one in study.contenders[place]} == set(
            study.rung_losses[place]
        )
        assert leader.loss == min(study.rung_losses[place].values())
        assert leader.loss == pytest.approx(sum(leader.losses) / len(leader.losses))
    assert {rung for _, rung in study.leaders} == {20, 60, 180}


def test_a_trial_has_the_score_of_its_last_report_and_says_where(engine: Engine, run: Run) -> None:
    race = {"kind": "race", "rungs": [20, 60], "startup_trials": 1}
    study_id = submit(engine, small_spec(**ONE_BRANCH, pruning=race))
    run(ScriptedExecutor())
    wait_for(engine, study_id, "completed")
    with reading(engine) as session:
        by_age = select(Report).order_by(Report.meta_iteration)
        last = {r.trial_id: (r.meta_iteration, r.score, r.stderr) for r in session.scalars(by_age)}
        of_trial = select(Trial.trial_id, Trial.rung, Trial.score, Trial.score_stderr)
        told = {trial_id: values for trial_id, *values in session.execute(of_trial)}
    assert {trial_id: tuple(values) for trial_id, values in told.items()} == last
    assert {rung for rung, _, _ in told.values()} > {180}


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


def test_trials_are_spread_over_the_slots(engine: Engine, run: Run) -> None:
    submit(engine, small_spec(**ONE_BRANCH))
    executor = ScriptedExecutor(slots=2)
    run(executor)
    wait_until(lambda: len(executor.orders) >= 2, what="two orders")
    assert [(slot, len(order.admit)) for slot, order in executor.orders[:2]] == [
        ("cpu:0", 2),
        ("cpu:1", 2),
    ]


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


def test_a_study_that_is_judged_gives_its_slots_back_to_an_older_one(
    engine: Engine, run: Run
) -> None:
    older, younger = (submit(engine, small_spec()) for _ in range(2))
    executor = ScriptedExecutor(slots=2)
    executor.seconds_per_iteration = 0.02  # so that a training takes many orders
    resumed: list[int] = []

    def script(slot: str, order: SegmentOrder) -> Exception | None:
        if len(executor.orders) == 2:
            set_status(engine, older, "paused")
        if order.study_id == younger and order.at_end == "model" and not resumed:  # it is judged
            set_status(engine, older, "running")
            resumed.append(len(executor.orders))
        return None

    executor._script = script
    run(executor)
    wait_for(engine, older, "completed")
    wait_for(engine, younger, "completed")
    after = [order.study_id for _, order in executor.orders[resumed[0] :]]
    assert after.index(older) < 100
    assert younger in after[after.index(older) :], "it ended before it could give anything back"


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
    wait_until(lambda: not list((tmp_path / "checkpoints").glob("[!.]*")), what="an empty disk")


@pytest.mark.parametrize("status", ["queued", "completed"])
def test_a_study_cancelled_after_it_was_put_away_leaves_no_file(
    engine: Engine, run: Run, tmp_path: Path, status: str
) -> None:
    """Whether a trial of it is open, or all have ended."""
    left = tmp_path / "checkpoints" / submit(engine, small_spec(**ONE_BRANCH), "paused")
    with transaction(engine) as session:
        add_trial(session, 0, status, study_id=left.name)
    run(ScriptedExecutor(slots=1))
    wait_until(left.parent.is_dir, what="a directory of checkpoints")
    left.mkdir()
    (left / "t-10").touch()
    set_status(engine, left.name, "cancelled")
    wait_until(lambda: not left.exists(), what="an empty disk")
    assert statuses(engine, left.name) <= {"cancelled", "completed"}


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


def test_slots_without_work_ask_for_nothing(engine: Engine, run: Run) -> None:
    sent: list[str] = []
    event.listen(engine, "before_cursor_execute", lambda *seen: sent.append(seen[2]))
    run(ScriptedExecutor(slots=64))

    def of_studies() -> list[str]:
        return [sql for sql in sent if "FROM mo_studies" in sql]

    wait_until(lambda: len(of_studies()) >= 6, what="polls")
    assert len(set(of_studies()[-4:])) == 1  # the poll itself, and nothing for any slot


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
