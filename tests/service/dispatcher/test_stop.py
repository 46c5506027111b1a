"""Segments that are told to end early: what they have trained counts, and rungs are not skipped."""

import time
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import Engine, func, select

from service.blobs.directory import DirectoryStore
from service.db.engine import reading
from service.db.tables import Report, Spending, Trial
from service.dispatcher.checkpoints import CheckpointStore
from service.dispatcher.pruning.decisions import BadReport, judge_report
from service.dispatcher.scheduler.orders import segment_order
from service.executors.base import LaneReport, SegmentOrder, SegmentReport
from tests.fakes import states
from tests.fakes.executor import ScriptedExecutor
from tests.fakes.running import Run, attempts, rows, segments, set_status, wait_for
from tests.fakes.specs import SMALL, small_spec
from tests.fakes.studies import submit
from tests.waiting import wait_until

ONE_BRANCH = {"branches": SMALL["branches"][:1], "budget": {"trials": 4, "meta_iterations": 180}}


class EndsEarly(ScriptedExecutor):
    """Never ends an evaluation until it is told to stop; from then on it does what it is told."""

    def __init__(self) -> None:
        super().__init__(slots=1)
        self.held: Future[SegmentReport] | None = None
        self._patient = True

    def submit(self, slot: str, order: SegmentOrder) -> "Future[SegmentReport]":
        future = super().submit(slot, order)
        if not order.evaluate or not self._patient:
            return future
        self.held, self._trained = Future(), unjudged(future.result())
        return self.held

    def stop(self, slot: str) -> None:
        super().stop(slot)
        assert self.held is not None
        self._patient = False
        self.held.set_result(self._trained)


def unjudged(report: SegmentReport) -> SegmentReport:
    lanes = [replace(lane, scores=None, diverged_share=None, curve=None) for lane in report.lanes]
    return replace(report, lanes=lanes, stopped=True)


@pytest.fixture
def executor() -> EndsEarly:
    return EndsEarly()


def test_a_pause_ends_an_evaluation_and_later_it_is_made_up_for(
    engine: Engine, run: Run, executor: EndsEarly
) -> None:
    study_id = submit(engine, small_spec(**ONE_BRANCH))
    run(executor)
    wait_until(lambda: executor.held is not None, what="an evaluation")
    set_status(engine, study_id, "paused")
    wait_until(lambda: not attempts_running(engine, study_id), 10, what="free lanes")
    assert executor.stopped == ["cpu:0"]
    assert {row["meta_iteration"] for row in rows(engine, study_id)} == {60}
    assert reports(engine, study_id) == 0
    set_status(engine, study_id, "running")
    wait_for(engine, study_id, "completed")
    assert reports(engine, study_id) == 4 * 3  # each rung, though all stood at the first unscored
    assert {row["attempts"] for row in rows(engine, study_id)} == {0}
    with reading(engine) as session:
        spent = session.get_one(Spending, study_id).meta_iterations
    assert spent == 4 * 180


def test_a_cancelled_study_gives_its_slot_back(
    engine: Engine, run: Run, executor: EndsEarly
) -> None:
    study_id = submit(engine, small_spec(**ONE_BRANCH))
    run(executor)
    wait_until(lambda: executor.held is not None, what="an evaluation")
    set_status(engine, study_id, "cancelled")
    wait_until(lambda: not attempts_running(engine, study_id), 10, what="free lanes")
    wait_until(lambda: {r["status"] for r in rows(engine, study_id)} == {"cancelled"}, 10)


def test_a_drain_does_not_wait_for_an_evaluation(
    engine: Engine, run: Run, executor: EndsEarly
) -> None:
    study_id = submit(engine, small_spec(**ONE_BRANCH))
    running = run(executor)
    wait_until(lambda: executor.held is not None, what="an evaluation")
    begun = time.monotonic()
    running.end()
    assert time.monotonic() - begun < 20
    left = rows(engine, study_id)
    assert {(row["status"], row["meta_iteration"]) for row in left} == {("queued", 60)}
    assert all(row["checkpoint"] for row in left)


def test_a_budget_of_time_ends_what_is_under_way(
    engine: Engine, run: Run, executor: EndsEarly
) -> None:
    budget = {**ONE_BRANCH["budget"], "wall_seconds": 1}
    study_id = submit(engine, small_spec(**{**ONE_BRANCH, "budget": budget}))
    run(executor)
    wait_until(lambda: executor.held is not None, what="an evaluation")
    wait_until(lambda: executor.stopped == ["cpu:0"], 10, what="a stop")
    wait_for(engine, study_id, "failed")  # nothing had been scored
    assert {row["status"] for row in rows(engine, study_id)} == {"cancelled"}
    (segment,) = segments(engine, study_id)[-1:]
    assert segment.lanes == 4


def test_a_lane_that_stands_at_a_rung_unscored_is_scored_before_anything_else(
    tmp_path: Path,
) -> None:
    study = states.study(pruning={"kind": "none", "rungs": [60, 120]})
    first, second = states.asked(study, "maml", 2)
    first.meta_iteration, second.meta_iteration = 60, 10

    def order() -> SegmentOrder:
        return segment_order(
            study,
            first.group,
            states.slot(),
            keep=[],
            admit=[first, second],
            store=CheckpointStore(DirectoryStore(tmp_path)),
            segment_seconds=5.0,
            ahead=1000,
        )

    assert (order().iterations, order().evaluate) == (0, [first.trial_id])
    study.rung_losses["maml", 60] = {first.trial_number: 1.0}
    assert order().iterations > 0 and not order().evaluate


def test_only_a_stopped_report_may_be_of_younger_lanes() -> None:
    study = states.study()
    (trial,) = states.asked(study, "maml", 1)
    report = SegmentReport([LaneReport(trial.trial_id, 3)], 1.0, 1.0, 0.0, 1, "CPU")
    with pytest.raises(BadReport, match="should be at"):
        judge_report(study, [trial], report, 10)
    (outcome,) = judge_report(study, [trial], replace(report, stopped=True), 10)
    assert (outcome.status, outcome.trained, outcome.unjudged) == ("running", 3, True)
    with pytest.raises(BadReport, match="should be at"):
        judge_report(study, [trial], replace(report, stopped=True), 2)


def reports(engine: Engine, study_id: str) -> int:
    query = select(func.count()).select_from(Report).join(Trial)
    query = query.where(Trial.study_id == study_id, Trial.role == "search")
    with reading(engine) as session:
        return int(session.scalar(query) or 0)


def attempts_running(engine: Engine, study_id: str) -> bool:
    return any(attempt.outcome == "running" for attempt in attempts(engine, study_id))
