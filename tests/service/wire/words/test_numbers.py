"""Numbers in words."""

from service.wire.words import numbers


def test_what_happened_one_time_happened_once() -> None:
    assert [numbers.times(count) for count in (1, 2, 1200)] == ["once", "2 times", "1,200 times"]
