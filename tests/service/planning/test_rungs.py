import pytest

from service.planning.rungs import FIRST_SEGMENT, next_rung, segment_length

RUNGS = [100, 300, 900]


@pytest.mark.parametrize(("age", "rung"), [(0, 100), (99, 100), (100, 300), (899, 900)])
def test_the_next_rung_is_the_first_after_the_age(age: int, rung: int) -> None:
    assert next_rung(age, RUNGS) == rung


def test_a_segment_ends_at_the_first_rung_any_lane_reaches() -> None:
    assert segment_length([10, 290, 150], RUNGS, seconds=[1e-6], segment_seconds=5) == 10


def test_the_first_segment_is_short() -> None:
    assert segment_length([0], RUNGS, seconds=[], segment_seconds=5) == FIRST_SEGMENT
    assert segment_length([97], RUNGS, seconds=[], segment_seconds=5) == 3


def test_a_segment_lasts_as_long_as_aimed_for() -> None:
    assert segment_length([0], RUNGS, seconds=[0.1], segment_seconds=5) == 50


def test_a_compiling_segment_does_not_shorten_the_next() -> None:
    assert segment_length([0], RUNGS, seconds=[30.0, 0.1], segment_seconds=5) == 50


def test_a_segment_makes_progress_however_slow() -> None:
    assert segment_length([0], RUNGS, seconds=[60.0], segment_seconds=5) == 1
