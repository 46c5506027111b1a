"""Fidelity in the dispatcher: fewer tasks at lower rungs, and programs that change on the way."""

from pathlib import Path
from typing import Any

from sqlalchemy import Engine, select

from service.blobs.directory import DirectoryStore
from service.db.engine import reading
from service.db.roles import TrialRole
from service.db.tables import Report, Trial
from service.dispatcher.checkpoints import CheckpointStore
from service.dispatcher.scheduler.orders import lane_iterations_ahead, segment_order
from service.dispatcher.scheduler.placement import choose_work
from service.dispatcher.scheduler.program_switch import group_now
from service.dispatcher.state import StudyState, TrialState
from service.executors.base import SegmentOrder
from service.wire.spec.study import StudySpec
from tests.fakes import states
from tests.fakes.running import (
    kinds,
)
from tests.fakes.specs import small_spec

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


def state(**changes: Any) -> StudyState:
    return states.study(**spec(**changes).model_dump())


def order_of(study: StudyState, lanes: list[TrialState], directory: Path) -> SegmentOrder:
    slot = states.slot()
    slot.seconds.append(1e-6)  # so that only rungs bound the segment
    store = CheckpointStore(DirectoryStore(directory))
    group = lanes[0].group
    return segment_order(
        study, group, slot, keep=[], admit=lanes, store=store, segment_seconds=1.0, ahead=0
    )


def test_a_lane_is_scored_on_the_tasks_of_its_rung_whatever_its_neighbours(tmp_path: Path) -> None:
    study = state(pruning={"kind": "none", "rungs": [60, 120], "tasks": [4, 10]})
    young, middle, old = states.asked(study, "maml", 3)
    young.meta_iteration, middle.meta_iteration, old.meta_iteration = 0, 60, 120
    study.rung_losses["maml", 60] = {middle.trial_number: 1.0, old.trial_number: 1.0}
    study.rung_losses["maml", 120] = {old.trial_number: 1.0}
    order = order_of(study, [young, middle, old], tmp_path)
    assert order.iterations == 60
    assert order.evaluate == [young.trial_id, middle.trial_id, old.trial_id]
    assert order.bank["tasks"] == 20
    assert order.fewer_tasks == {young.trial_id: 4, middle.trial_id: 10}
    assert SegmentOrder.from_json(order.to_json()) == order


def test_a_second_order_trial_is_a_lane_of_the_first_order_program_until_its_rung(
    tmp_path: Path,
) -> None:
    study = state()
    (one,) = states.asked(study, "maml", 1)
    assert one.params["order"] == "second"
    order = order_of(study, [one], tmp_path)
    assert order.signature["structure"]["order"] == order.admit[0].params["order"] == "first"
    one.meta_iteration, one.group = 60, group_now(study, _at(one, 60))
    order = order_of(study, [one], tmp_path)
    assert order.signature["structure"]["order"] == order.admit[0].params["order"] == "second"


def test_a_first_order_trial_shares_that_program_and_stays_in_it() -> None:
    study = state(
        branches=[{"algorithm": "maml", "space": {"order": {"choices": ["first", "second"]}}}]
    )
    trials = states.asked(study, "maml", 6)
    assert {trial.params["order"] for trial in trials} == {"first", "second"}
    assert len({trial.group for trial in trials}) == 1
    later = {trial.params["order"]: group_now(study, _at(trial, 60)) for trial in trials}
    assert later["first"] == trials[0].group != later["second"]


def test_a_finalist_stops_where_its_program_changes_and_is_judged_at_its_end(
    tmp_path: Path,
) -> None:
    study = state()
    (one,) = states.asked(study, "maml", 1)
    one.group = one.group._replace(role=TrialRole.VERDICT)
    order = order_of(study, [one], tmp_path)
    assert (order.iterations, order.evaluate, order.fewer_tasks) == (60, [], {})
    one.meta_iteration, one.group = 60, group_now(study, _at(one, 60))
    order = order_of(study, [one], tmp_path)
    assert (order.iterations, order.evaluate) == (120, [one.trial_id])
    assert order.bank["tasks"] == study.spec.verdict.tasks and order.fewer_tasks == {}


def test_what_is_ahead_is_shared_out_to_both_programs() -> None:
    study = state(trials=2, pruning={**BOTH, "kind": "none"})
    (one,) = states.asked(study, "maml", 1)
    later = group_now(study, _at(one, 60))
    trials = 2 + study.spec.verdict.trainings()
    one.meta_iteration = 20
    assert lane_iterations_ahead(study, one.group) == 60 * trials - 20
    assert lane_iterations_ahead(study, later) == 120 * trials


def test_new_trials_are_not_asked_for_where_none_can_begin() -> None:
    study = state()
    slot = states.slot()
    (one,) = states.asked(study, "maml", 1)
    one.meta_iteration, one.group = 60, group_now(study, _at(one, 60))
    work = choose_work([study], slot, slots=1, lanes=8)
    assert work is not None and (work.admit, work.ask) == ([one], 0)


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


def _at(trial: TrialState, meta_iteration: int) -> TrialState:
    trial.meta_iteration = meta_iteration
    return trial
