"""An instant is never shown without its zone, and always means the same instant."""

import re
from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.wire.words.instants import fire_time, in_utc_too, instant, stamp

ZONES = ("UTC", "Europe/Berlin", "America/St_Johns", "Australia/Lord_Howe", "Asia/Kathmandu")
INSTANTS = st.datetimes(datetime(1990, 1, 1), datetime(2100, 1, 1)).map(
    lambda value: value.replace(tzinfo=UTC)
)


@given(INSTANTS, st.sampled_from(ZONES))
def test_a_stamp_is_utc_and_comes_back_as_the_same_instant(value: datetime, zone: str) -> None:
    text = stamp(value.astimezone(ZoneInfo(zone)))
    assert text == stamp(value) and text.endswith("Z")
    assert datetime.fromisoformat(text) == value


@given(INSTANTS, st.sampled_from(ZONES))
def test_a_fire_time_can_be_told_from_every_other(value: datetime, zone: str) -> None:
    text = fire_time(value, zone)
    local, named = text.split(f" {zone}")
    read = datetime.fromisoformat(local).replace(tzinfo=ZoneInfo(zone))
    if named:  # the time of day comes twice: the offset says which
        assert re.fullmatch(r" \([+-]\d\d:\d\d\)", named)
        read = datetime.fromisoformat(f"{local}{named[2:-1]}")
    assert read == value.replace(microsecond=0)


@given(INSTANTS, st.integers(-14 * 60, 14 * 60))
def test_an_instant_in_a_zone_without_a_name_has_its_offset(value: datetime, minutes: int) -> None:
    zone = timezone(timedelta(minutes=minutes))
    text = instant(value.astimezone(zone))
    assert datetime.fromisoformat(text.replace(" UTC", " +00:00").replace(" +", "+").replace(
        " -", "-"
    )) == value.replace(microsecond=0)  # fmt: skip
    assert text.endswith("UTC") == (minutes == 0)


@pytest.mark.parametrize(
    ("at", "zone", "text"),
    [
        ((2026, 11, 30, 1, 30), "Europe/Berlin", "2026-11-30 02:30 Europe/Berlin"),
        ((2026, 10, 25, 0, 30), "Europe/Berlin", "2026-10-25 02:30 Europe/Berlin (+02:00)"),
        ((2026, 10, 25, 1, 30), "Europe/Berlin", "2026-10-25 02:30 Europe/Berlin (+01:00)"),
        ((2026, 10, 25, 1, 30), "Europe/London", "2026-10-25 01:30 Europe/London (+00:00)"),
        ((2026, 11, 30, 1, 30, 7), "UTC", "2026-11-30 01:30:07 UTC"),
        ((2026, 11, 30, 1, 30), "Mars/Olympus", "2026-11-30 01:30 UTC"),
    ],
)
def test_a_fire_time_is_in_the_schedules_zone(at: tuple[int, ...], zone: str, text: str) -> None:
    assert fire_time(datetime(*at, tzinfo=UTC), zone) == text  # type: ignore[arg-type, misc]


def test_utc_stands_behind_where_it_differs() -> None:
    at = datetime(2026, 11, 30, 1, 30, tzinfo=UTC)
    both = "2026-11-30 02:30 Europe/Berlin (2026-11-30 01:30 UTC)"
    assert in_utc_too(at, "Europe/Berlin") == both
    assert in_utc_too(at, "UTC") == "2026-11-30 01:30 UTC"


def test_an_instant_without_a_zone_is_refused() -> None:
    for said in (stamp, instant):
        with pytest.raises(ValueError, match="must name its zone, got 2026-01-02T00:00:00"):
            said(datetime(2026, 1, 2))
