"""What is a cron expression, a time zone, a schedule."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.wire.views.schedules import check_cron, check_time_zone

FIELD = st.text(alphabet="0123456789*/,-#L?WSUNJA", min_size=1, max_size=6)
SOUND = st.sampled_from(["*", "0", "1-5", "*/7", "L", "MON#1", "JAN"])


@pytest.mark.parametrize(
    "cron",
    ["0 2 * * *", "*/15 8-18 * * MON-FRI", "0 0 L * *", "0 9 * JAN,JUL MON#1", " 5  4 * * 7 "],
)
def test_usual_expressions_are_some(cron: str) -> None:
    assert check_cron(cron) == cron


@given(st.lists(FIELD | SOUND, min_size=5, max_size=5).map(" ".join))
def test_any_text_is_one_or_is_refused_with_a_reason(cron: str) -> None:
    try:
        check_cron(cron)
    except ValueError as error:
        assert str(error).startswith("must ")


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin", "America/Argentina/Ushuaia", "Etc/GMT+5"])
def test_zones_have_their_iana_names(zone: str) -> None:
    assert check_time_zone(zone) == zone


@pytest.mark.parametrize("zone", ["", "Berlin", "Europe", "../zone", "/etc/localtime", "CEST+1"])
def test_anything_else_is_no_zone(zone: str) -> None:
    with pytest.raises(ValueError, match="IANA"):
        check_time_zone(zone)
