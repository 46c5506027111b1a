"""Budgets of real processes: kept through a kill, and never exceeded."""

from pathlib import Path

import pytest
from sqlalchemy import Engine, func, select

from service.db.engine import reading
from service.db.tables import Segment, Spending, Study
from tests.fakes.processes import DispatcherProcess
from tests.fakes.specs import small_spec
from tests.fakes.studies import submit
from tests.waiting import wait_until

pytestmark = pytest.mark.slow


def test_a_killed_dispatcher_s_successor_goes_on_counting(
    engine: Engine, database_url: str, tmp_path: Path
) -> None:
    budget = {"trials": 12, "meta_iterations": 300, "total_meta_iterations": 900}
    study_id = submit(engine, small_spec(budget=budget))
    first = DispatcherProcess(database_url, tmp_path / "data", METAOPT_SLOTS="2")
    try:
        wait_until(lambda: spent(engine, study_id) > 0, 60, what="a report")
    finally:
        first.close()
    before = spent(engine, study_id)
    second = DispatcherProcess(database_url, tmp_path / "data", METAOPT_SLOTS="2")
    try:
        wait_until(lambda: find(engine, study_id).status == "completed", 100, what="the study")
    finally:
        second.close()
    found = find(engine, study_id).result
    assert found is not None
    search = found["search"]
    assert search["ended_by"] == "total_meta_iterations"
    assert before < search["meta_iterations"] <= 900
    assert search["meta_iterations"] == trained(engine, study_id)
    assert 0.0 < search["wall_seconds"] < found["wall_seconds"]
    assert 0.0 < search["device_seconds"] < found["device_seconds"]


def spent(engine: Engine, study_id: str) -> int:
    query = select(Spending.meta_iterations).where(Spending.study_id == study_id)
    with reading(engine) as session:
        return session.scalar(query) or 0


def trained(engine: Engine, study_id: str) -> int:
    query = select(func.sum(Segment.lanes * Segment.meta_iterations))
    with reading(engine) as session:
        return int(
            session.scalar(query.where(Segment.study_id == study_id, Segment.role == "search")) or 0
        )


def find(engine: Engine, study_id: str) -> Study:
    with reading(engine) as session:
        study = session.get_one(Study, study_id)
        session.expunge(study)
    return study
