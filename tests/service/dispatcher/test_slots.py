"""Slots: what workers are told, and what a report or a loss does to their lanes."""

import sys
import threading
import time
from concurrent.futures import Future
from pathlib import Path

from sqlalchemy import Engine, select

from service.db.engine import reading
from service.db.segments import paces
from service.db.tables import Report, Study
from service.dispatcher.slots import SlotsLost
from service.executors.base import (
    MachineFailed,
    OutOfMemory,
    SegmentFailed,
    SegmentOrder,
    SegmentReport,
    StorageFailed,
    WorkerGone,
    WorkerLost,
)
from service.operations.monitoring.health import readiness
from tests.fakes.executor import ScriptedExecutor
from tests.fakes.running import (
    Run,
    Running,
    result,
    rows,
    segments,
    set_status,
    wait_for,
)
from tests.fakes.specs import SMALL, small_spec
from tests.fakes.studies import submit
from tests.waiting import wait_until

ONE_BRANCH = {"branches": SMALL["branches"][:1], "budget": {"trials": 4, "meta_iterations": 180}}


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
    with reading(engine) as session:
        scores = [len(report.scores) for report in session.scalars(select(Report))]
    assert sum(s.scored or 0 for s in found) == sum(scores) > 0


def test_lanes_that_wait_for_their_program_are_ordered_again_and_nothing_else_changes(
    engine: Engine, run: Run
) -> None:
    waited, plain = (submit(engine, small_spec(**ONE_BRANCH)) for _ in range(2))
    executor = ScriptedExecutor(slots=1)
    executor.compiling = 3
    run(executor)
    wait_for(engine, waited, "completed")
    wait_for(engine, plain, "completed")
    found = [(s.program, s.meta_iterations, s.seconds) for s in segments(engine, waited)]
    assert found[:3] == [("compiling", 0, 5.0)] * 3
    trained = [(s.meta_iterations, s.lanes) for s in segments(engine, plain)]
    assert [(s.meta_iterations, s.lanes) for s in segments(engine, waited)][3:] == trained
    scores = [
        [(t["status"], t["score"], t["attempts"]) for t in rows(engine, study_id)]
        for study_id in (waited, plain)
    ]
    assert scores[0] == scores[1]
    first, second = executor.orders[0][1], executor.orders[1][1]
    assert first.admit and not second.admit and first.iterations == second.iterations
    with reading(engine) as session:
        (signature,) = {segment.signature for segment in segments(engine, plain)}
        pace = paces(session, [signature], "search")[signature]
    assert pace.seconds < 5.0  # what compiling took is no pace of training


def test_workers_of_cores_start_while_their_first_study_is_loaded(engine: Engine, run: Run) -> None:
    for device, warmed in (("cpu", ["cpu:0", "cpu:1"]), ("cuda", [])):
        executor = ScriptedExecutor(slots=2, device=device)
        running = run(executor)
        assert executor.prepared == []  # who has no study starts no worker
        for _ in range(2):
            wait_for(engine, submit(engine, small_spec(**ONE_BRANCH)), "completed")
        assert executor.prepared == warmed
        running.end()


def test_an_order_says_how_many_workers_train_its_program(engine: Engine, run: Run) -> None:
    study_id = submit(engine, small_spec(**ONE_BRANCH))
    executor = ScriptedExecutor(slots=2)
    run(executor)
    wait_for(engine, study_id, "completed")
    assert {order.workers for _, order in executor.orders} == {1, 2}


class Counting(ScriptedExecutor):
    """Counts the calls that the dispatcher's thread makes for each of so many orders a slot.

    The first ones are not counted: they ask for the trials.
    """

    ORDERS = 6

    def __init__(self, slots: int) -> None:
        super().__init__(slots=slots)
        self.seconds_per_iteration = 0.02  # ten to a segment: no trial ends, and none is judged
        self.calls = 0
        self.done = threading.Event()

    def submit(self, slot: str, order: SegmentOrder) -> "Future[SegmentReport]":
        sys.setprofile(None)
        future = super().submit(slot, order)
        turn = len(self.orders) // len(self.slots)
        if turn >= self.ORDERS:
            self.done.set()
        elif turn >= 2:
            sys.setprofile(self._count)
        return future

    def _count(self, _frame: object, what: str, _argument: object) -> None:
        self.calls += what == "call"


def test_a_report_costs_as_much_beside_many_slots_as_beside_few(engine: Engine, run: Run) -> None:
    def calls(slots: int) -> float:
        """A report and the next order, with as many lanes on every slot."""
        budget = {"trials": 16 * slots, "meta_iterations": 10_000}
        study_id = submit(engine, small_spec(**ONE_BRANCH | {"budget": budget}))
        executor = Counting(slots)
        running = run(executor)
        assert executor.done.wait(60)
        set_status(engine, study_id, "cancelled")
        running.end()
        return executor.calls / slots

    assert calls(16) < 1.2 * calls(2)


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


def test_a_slot_gets_no_lanes_before_a_worker_has_started_again(engine: Engine, run: Run) -> None:
    study_id = submit(engine, small_spec(**ONE_BRANCH))
    executor = ScriptedExecutor(slots=1)
    executor.broken["cpu:0"] = "the device is lost"

    def script(slot: str, order: SegmentOrder) -> Exception | None:
        return WorkerGone("the device is lost") if len(executor.orders) == 1 else None

    executor._script = script
    run(executor)
    wait_until(lambda: told(engine) == "none works", 30, what="that the slot is out")
    assert "cpu:0 does not work: the device is lost" in readiness(engine)["devices"].text
    assert len(executor.orders) == 1
    tried = len(executor.prepared)  # more than twice where this was looked at late
    assert tried >= 2
    del executor.broken["cpu:0"]
    wait_for(engine, study_id, "completed")
    assert len(executor.prepared) > tried
    assert {trial["attempts"] for trial in rows(engine, study_id)} == {0}
    wait_until(lambda: told(engine) == "1 slot on CPU cores", 30, what="the slot's return")
    assert "devices" not in readiness(engine)


def test_once_no_device_works_any_more_the_machine_is_looked_at_anew(
    engine: Engine, tmp_path: Path
) -> None:
    study_id = submit(engine, small_spec(**ONE_BRANCH))
    executor = ScriptedExecutor(slots=2, device="cuda")
    executor.broken = {"cuda:0": "it fell off the bus", "cuda:1": "it fell off the bus"}
    executor._script = lambda slot, order: WorkerGone(executor.broken[slot])
    running = Running(engine, tmp_path / "checkpoints", executor)
    running.thread.join(timeout=30)
    assert isinstance(running.error, SlotsLost)
    assert str(running.error) == "it fell off the bus"
    assert {trial["attempts"] for trial in rows(engine, study_id)} == {0}
    assert {trial["status"] for trial in rows(engine, study_id)} == {"queued"}


def told(engine: Engine) -> str | None:
    slots = readiness(engine).get("slots")
    return slots.text if slots else None


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


def test_a_directory_that_cannot_be_made_costs_no_trial_anything(
    engine: Engine, run: Run, tmp_path: Path
) -> None:
    study_id = submit(engine, small_spec(**ONE_BRANCH))
    (tmp_path / "checkpoints").mkdir()
    in_the_way = tmp_path / "checkpoints" / study_id
    in_the_way.symlink_to(tmp_path / "nowhere")
    run(ScriptedExecutor(slots=1))
    wait_until(lambda: "File exists" in told_devices(engine), 30, what="a slot that is out")
    in_the_way.unlink()
    wait_for(engine, study_id, "completed")
    assert {(t["status"], t["attempts"]) for t in rows(engine, study_id)} == {("completed", 0)}


def test_while_the_disk_of_checkpoints_is_away_nothing_is_ordered_and_nobody_charged(
    engine: Engine, run: Run, tmp_path: Path
) -> None:
    study_id = submit(engine, small_spec(**ONE_BRANCH))
    root, away = tmp_path / "checkpoints", tmp_path / "away"
    executor = ScriptedExecutor(slots=2)

    def script(slot: str, order: SegmentOrder) -> Exception | None:
        if root.exists() and len(executor.orders) == 3:
            root.rename(away)
        return None if root.exists() else StorageFailed("OSError: No such file or directory")

    executor._script = script
    run(executor)
    wait_until(lambda: "is its disk mounted?" in told_devices(engine), 30, what="what is said")
    assert told(engine) == "none works"
    ordered = len(executor.orders)
    away.rename(root)
    wait_for(engine, study_id, "completed")
    assert len(executor.orders) > ordered
    assert {(t["status"], t["attempts"]) for t in rows(engine, study_id)} == {("completed", 0)}
    wait_until(lambda: told(engine) == "2 slots on CPU cores", 30, what="the slots' return")


def told_devices(engine: Engine) -> str:
    devices = readiness(engine).get("devices")
    return devices.text if devices else ""


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
