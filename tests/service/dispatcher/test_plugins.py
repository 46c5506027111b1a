"""Studies that need plug-ins: given to slots that have them, and to no others."""

from collections.abc import Iterator

import pytest
from sqlalchemy import Engine, event, update

from metaopt.algorithms.registry import ALGORITHMS
from metaopt.plugins.described import Described
from service.db.engine import reading, transaction
from service.db.plugins.rows import present
from service.db.tables import Study
from tests.fakes.described import algorithm, needed, refused
from tests.fakes.executor import ScriptedExecutor
from tests.fakes.running import Run, wait_for
from tests.fakes.specs import SMALL, small_spec
from tests.fakes.studies import submit

SHORT = {"budget": {"trials": 2, "meta_iterations": 60}, "pruning": {"kind": "none"}}
OURS = {**SHORT, "branches": SMALL["branches"][:1]}


@pytest.fixture(autouse=True)
def forgotten() -> Iterator[None]:
    yield
    ALGORITHMS.forget("pulled")


def add(engine: Engine, one: Described) -> str:
    """Submit a study of a plug-in, as the API does that knows it."""
    study_id = submit(engine, small_spec(**OURS))
    with transaction(engine) as session:
        row = session.get_one(Study, study_id)
        space = {**row.spec["branches"][0]["space"], "pull": 0.1}
        branch = {**row.spec["branches"][0], "algorithm": one.name, "space": space}
        row.spec = {**row.spec, "branches": [branch]}
        row.plugins = [needed(one)]
    return study_id


def status(engine: Engine, study_id: str) -> str:
    with reading(engine) as session:
        return session.get_one(Study, study_id).status


def test_only_a_slot_that_has_it_gets_it(engine: Engine, run: Run) -> None:
    executor = ScriptedExecutor(slots=2)
    executor.known = {"cpu:0": (refused("pulled"),), "cpu:1": (algorithm(), refused())}
    theirs = add(engine, algorithm())
    ours = submit(engine, small_spec(**OURS))
    run(executor)
    for study_id in (theirs, ours):
        wait_for(engine, study_id, "completed")
    slots = {slot for slot, order in executor.orders if order.study_id == theirs}
    assert slots == {"cpu:1"}
    plugins = [order.plugins for _, order in executor.orders if order.study_id == theirs]
    assert all(given == [needed(algorithm())] for given in plugins)
    assert not any(order.plugins for _, order in executor.orders if order.study_id == ours)
    with reading(engine) as session:
        told = {told.described.name: told.described.refused for told in present(session)}
    assert told["other"] is not None


@pytest.mark.parametrize("standing", ["queued", "running"])
def test_one_that_no_slot_has_waits_and_delays_nobody(
    engine: Engine, run: Run, standing: str
) -> None:
    theirs = add(engine, algorithm())
    with transaction(engine) as session:
        session.execute(update(Study).values(status=standing))
    ours = submit(engine, small_spec(**OURS))
    newer = ScriptedExecutor()
    newer.known = {"cpu:0": (algorithm(digest="2" * 64),)}
    running = run(newer)
    wait_for(engine, ours, "completed")
    assert status(engine, theirs) == standing
    assert not any(order.study_id == theirs for _, order in newer.orders)
    running.end()
    again = ScriptedExecutor()
    again.known = {"cpu:0": (algorithm(),)}
    run(again)
    wait_for(engine, theirs, "completed")


def test_many_are_left_out_by_what_they_lack_and_not_one_by_one(engine: Engine, run: Run) -> None:
    for _ in range(20):
        add(engine, algorithm())
    ours = submit(engine, small_spec(**OURS))
    asked: list[int] = []  # values of each poll

    def count(_c: object, _k: object, sql: str, values: tuple[object, ...], *_: object) -> None:
        if "plugins IS NULL" in sql:
            asked.append(len(values))

    event.listen(engine, "before_cursor_execute", count)
    run(ScriptedExecutor())
    wait_for(engine, ours, "completed")
    assert asked and max(asked) < 12
