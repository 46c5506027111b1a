"""How busy real workers were: measured by them, stored with each segment, told with the result."""

from pathlib import Path

import pytest
from sqlalchemy import Engine, select

from service.db.engine import reading
from service.db.segments import busy_shares
from service.db.tables import Segment, Study
from tests.fakes.processes import DispatcherProcess
from tests.fakes.specs import small_spec
from tests.fakes.studies import submit
from tests.waiting import wait_until

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_the_waiting_of_real_workers_is_stored(
    engine: Engine, database_url: str, tmp_path: Path
) -> None:
    study_id = submit(engine, small_spec())
    dispatcher = DispatcherProcess(database_url, tmp_path / "data", METAOPT_SLOTS="2")
    try:
        wait_until(lambda: find(engine, study_id).status == "completed", 60, what="the study")
    finally:
        dispatcher.close()
    study, found = find(engine, study_id), segments(engine, study_id)
    assert study.result is not None
    lived = study.result["wall_seconds"]
    assert {segment.slot for segment in found} == {"cpu:0", "cpu:1"}
    for segment in found:
        assert 0.0 < segment.wait_seconds < lived
        assert segment.train_seconds + segment.evaluate_seconds <= segment.seconds < lived
        ordered = (segment.ended_at - segment.started_at).total_seconds()
        assert segment.seconds <= ordered
    for slot in ("cpu:0", "cpu:1"):
        assert sum(s.seconds + s.wait_seconds for s in found if s.slot == slot) <= lived
    with reading(engine) as session:
        assert study.result["busy_share"] == busy_shares(session, [study_id])[study_id]


def find(engine: Engine, study_id: str) -> Study:
    with reading(engine) as session:
        study = session.get_one(Study, study_id)
        session.expunge(study)
    return study


def segments(engine: Engine, study_id: str) -> list[Segment]:
    with reading(engine) as session:
        found = list(session.scalars(select(Segment).where(Segment.study_id == study_id)))
        session.expunge_all()
    return found
