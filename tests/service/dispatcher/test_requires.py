"""Studies that require something of slots: trained where it is, and nowhere else."""

from dataclasses import replace

import pytest
from sqlalchemy import Engine

from service.db.engine import reading
from service.db.tables import Study
from service.executors.base import Slot
from tests.fakes.executor import ScriptedExecutor
from tests.fakes.running import Run, wait_for
from tests.fakes.specs import SMALL, small_spec
from tests.fakes.studies import submit

SHORT = {
    "budget": {"trials": 4, "meta_iterations": 60},
    "pruning": {"kind": "none"},
    "branches": SMALL["branches"][:1],
}
NIGHT = {"labels": {"pool": "night"}, "memory": "8 GB"}


class Mixed(ScriptedExecutor):
    """Slots that differ."""

    def __init__(self, **labels: str) -> None:
        super().__init__(slots=3)
        small, *large = self._slots
        self._slots: list[Slot] = [
            replace(small, memory_bytes=2 * 10**9),
            *(replace(one, memory_bytes=16 * 10**9, labels=labels) for one in large),
        ]


def status(engine: Engine, study_id: str) -> str:
    with reading(engine) as session:
        return session.get_one(Study, study_id).status


def slots_of(executor: ScriptedExecutor, study_id: str) -> set[str]:
    return {slot for slot, order in executor.orders if order.study_id == study_id}


def test_it_trains_on_all_slots_that_have_it_and_on_no_other(engine: Engine, run: Run) -> None:
    executor = Mixed(pool="night", room="7")
    study_id = submit(engine, small_spec(**SHORT, requires=NIGHT))
    run(executor)
    wait_for(engine, study_id, "completed")
    assert slots_of(executor, study_id) == {"cpu:1", "cpu:2"}


@pytest.mark.parametrize("standing", ["queued", "running"])
def test_one_that_no_slot_can_take_waits_and_delays_nobody(
    engine: Engine, run: Run, standing: str
) -> None:
    executor = Mixed(pool="day")
    theirs = submit(engine, small_spec(**SHORT, requires=NIGHT), standing)
    second = submit(engine, small_spec(**SHORT, requires=NIGHT))
    ours = submit(engine, small_spec(**SHORT))
    running = run(executor)
    wait_for(engine, ours, "completed")
    assert (status(engine, theirs), status(engine, second)) == (standing, "queued")
    assert slots_of(executor, theirs) == slots_of(executor, second) == set()
    assert len(slots_of(executor, ours)) > 1
    running.end()
    run(Mixed(pool="night"))  # a dispatcher with other slots
    for study_id in (theirs, second):
        wait_for(engine, study_id, "completed")


def test_a_slot_that_only_one_study_can_use_is_not_kept_from_it_by_an_older_one(
    engine: Engine, run: Run
) -> None:
    """Lanes of one that any slot can take are spread over what is free for it."""
    executor = Mixed(pool="night")
    older = submit(engine, small_spec(**SHORT, requires={"labels": {"pool": "night"}}))
    younger = submit(engine, small_spec(**SHORT))
    run(executor)
    for study_id in (older, younger):
        wait_for(engine, study_id, "completed")
    assert slots_of(executor, older) <= {"cpu:1", "cpu:2"}
    first_of_small = next(order for slot, order in executor.orders if slot == "cpu:0")
    assert first_of_small.study_id == younger
