"""Vectors in blobs: every float comes back bit for bit, in Python and by the view in SQL."""

import math
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine, text

from service.db.columns.vectors import pack, unpack
from service.db.engine import transaction
from service.db.tables import Report
from tests.fakes.rows import add_report, add_study, add_trial

NARROW = [0.5, -0.0, 1.5, float(struct.unpack("<f", b"\xcd\xcc\xcc\x3d")[0]), 2.0**-149, 2.0**127]
WIDE = [0.1, -1 / 3, 1e300, 5e-324, 2.0**-1030, math.pi, math.nextafter(1.0, 2.0), -0.0]


def bits(values: list[float]) -> bytes:
    return struct.pack(f"<{len(values)}d", *values)


@given(st.lists(st.floats()))
def test_what_is_read_is_what_was_written(values: list[float]) -> None:
    read = unpack(pack(values))
    assert bits([0.0 if math.isnan(x) else x for x in read]) == bits(
        [0.0 if math.isnan(x) else x for x in values]
    )
    assert [math.isnan(x) for x in read] == [math.isnan(x) for x in values]


@given(st.lists(st.floats(width=32, allow_nan=False)))
def test_scores_of_float32_take_four_bytes(values: list[float]) -> None:
    assert len(pack(values)) == 1 + 4 * len(values)


@pytest.mark.parametrize("values", [NARROW, WIDE, []])
def test_the_view_reads_them_in_sql(engine: Engine, values: list[float]) -> None:
    with transaction(engine) as session:
        add_study(session)
        add_report(session, add_trial(session, 0), 3, 0.5)
        session.get_one(Report, (f"{'a' * 8}{0:024d}", 3)).scores = values
        add_report(session, add_trial(session, 1), 3, 0.25)
    with engine.connect() as connection:
        rows = connection.execute(text("SELECT * FROM mo_scores ORDER BY trial_id, task")).all()
    numbers = [(int(row.trial_id[8:]), row.meta_iteration, row.task) for row in rows]
    assert numbers == [*((0, 3, task) for task in range(len(values))), (1, 3, 0)]
    assert bits([row.score for row in rows]) == bits([*values, 0.25])


def test_the_view_knows_what_is_not_finite(engine: Engine) -> None:
    with transaction(engine) as session:
        add_study(session)
        add_report(session, add_trial(session, 0), 3, 0.5)
        session.get_one(Report, (f"{'a' * 8}{0:024d}", 3)).scores = [math.inf, -math.inf, math.nan]
    with engine.connect() as connection:
        scores = connection.scalars(text("SELECT score FROM mo_scores ORDER BY task")).all()
    assert scores[:2] == [math.inf, -math.inf]
    assert scores[2] is None if engine.dialect.name == "sqlite" else math.isnan(scores[2])
