"""Cursors come back as they were handed out."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.errors import InvalidCursor
from service.operations import pages


@given(st.datetimes(timezones=st.just(UTC)), st.text("0123456789abcdef", min_size=32, max_size=32))
def test_a_position_comes_back(created_at: datetime, study_id: str) -> None:
    position = pages.Position(created_at, study_id)
    assert pages.decode_position(pages.encode_position(position)) == position


@given(st.text(max_size=60))
def test_any_other_text_is_refused_or_a_number(text: str) -> None:
    try:
        number = pages.decode_number(text)
    except InvalidCursor:
        return
    assert 0 <= number <= pages.LARGEST_NUMBER


def test_a_position_is_no_number() -> None:
    cursor = pages.encode_position(pages.Position(datetime(2026, 1, 1, tzinfo=UTC), "a"))
    with pytest.raises(InvalidCursor):
        pages.decode_number(cursor)
