"""Engine: what a session sees while others write."""

from sqlalchemy import Engine, func, select

from service.db.engine import reading, transaction
from service.db.tables import Study
from tests.fakes.rows import add_study


def test_what_a_session_reads_is_of_one_moment(engine: Engine) -> None:
    count = select(func.count()).select_from(Study)
    with reading(engine) as session:
        before = session.scalar(count)
        with transaction(engine) as other:
            add_study(other)
        assert session.scalar(count) == before == 0
    with reading(engine) as session:
        assert session.scalar(count) == 1
