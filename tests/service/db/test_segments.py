"""Segments: how busy the workers of a study were."""

from sqlalchemy import Engine, select

from service.db.engine import reading, transaction
from service.db.segments import busy_shares
from service.db.tables import Segment, Study
from tests.fakes.rows import add_segment, add_study


def test_the_busy_share_is_the_time_in_segments_over_that_of_the_slots(engine: Engine) -> None:
    with transaction(engine) as session:
        for study_id in ("a" * 32, "b" * 32, "c" * 32):
            add_study(session, study_id)
        add_segment(session, seconds=6.0, slot_seconds=7.0)
        add_segment(session, seconds=1.5, slot_seconds=3.0, slot="cpu:1")
        add_segment(session, "b" * 32, seconds=1.5, slot_seconds=1.0)
    with reading(engine) as session:
        shares = busy_shares(session, ["a" * 32, "b" * 32, "c" * 32])
    assert shares == {"a" * 32: 0.75, "b" * 32: 1.0}


def test_segments_go_with_their_study(engine: Engine) -> None:
    with transaction(engine) as session:
        study = add_study(session)
        add_segment(session)
        session.delete(session.get_one(Study, study.study_id))
    with reading(engine) as session:
        assert session.scalars(select(Segment)).all() == []
