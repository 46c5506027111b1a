"""Crashes at a few points, on both databases; all of them are `make chaos-night`."""

from pathlib import Path

import pytest
from sqlalchemy import Engine

from tests.chaos.sweep.run import TOY, Point, crash

pytestmark = pytest.mark.slow

LEDGER = "service.dispatcher.store.ledger"
POINTS = [
    Point(f"dispatcher: after commit in {LEDGER}:write < {LEDGER}:report", 4),
    Point(f"dispatcher: before commit in {LEDGER}:write < {LEDGER}:lose", 1),
]


@pytest.mark.parametrize("point", POINTS, ids=["after a report", "before a loss"])
def test_who_dies_between_two_steps_leaves_nothing_undone(
    engine: Engine, tmp_path: Path, point: Point
) -> None:
    passed = crash(engine, tmp_path, point, dispatcher=TOY)
    assert passed.died
    assert passed.starts > 1
    assert passed.violations == []
