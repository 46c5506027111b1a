"""Instants in words: one form for programs, one for people, and neither without its zone.

For programs `2026-11-30T01:30:00Z`: UTC, with microseconds where there are any.  For people
`2026-11-30 01:30:00 UTC`, or `… 02:30:00 +01:00` in a zone that has no name, as a machine's own is.
A fire time is in its schedule's zone, `2026-11-30 02:30 Europe/Berlin`.  Where clocks are put back
and a time of day comes twice, it says which: `2026-10-25 02:30 Europe/Berlin (+02:00)`.
"""

from datetime import UTC, datetime, timedelta, timezone, tzinfo
from typing import Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

Precision = Literal["minutes", "seconds"]
_FORMS: dict[Precision, str] = {"minutes": "%Y-%m-%d %H:%M", "seconds": "%Y-%m-%d %H:%M:%S"}


def stamp(value: datetime) -> str:
    """The instant as programs read it, RFC 3339 in UTC."""
    return _aware(value).astimezone(UTC).isoformat().replace("+00:00", "Z")


def instant(value: datetime, precision: Precision = "seconds") -> str:
    """The instant as people read it, in the zone that it carries."""
    return f"{_aware(value).strftime(_FORMS[precision])} {_zone(value)}"


def fire_time(value: datetime, time_zone: str) -> str:
    """A schedule's fire time in the schedule's zone; seconds only where there are any."""
    local = _aware(value).astimezone(_zone_of(time_zone))
    text = instant(local, "seconds" if local.second else "minutes")
    return f"{text} ({_offset(local)})" if _comes_twice(local) else text


def in_utc_too(value: datetime, time_zone: str) -> str:
    """A fire time in the schedule's zone, with UTC behind it if that is another."""
    own, utc = fire_time(value, time_zone), fire_time(value, "UTC")
    return own if own == utc else f"{own} ({utc})"


def _zone_of(name: str) -> tzinfo:
    try:
        return ZoneInfo(name)
    except ZoneInfoNotFoundError:  # the server knows it, and this machine does not
        return UTC


def _zone(value: datetime) -> str:
    if isinstance(value.tzinfo, ZoneInfo) and value.tzinfo.key:
        return value.tzinfo.key
    return _offset(value) if value.utcoffset() else "UTC"


def _offset(value: datetime) -> str:
    name = timezone(value.utcoffset() or timedelta()).tzname(None)  # UTC, or UTC+01:00
    return name.removeprefix("UTC") or "+00:00"


def _comes_twice(value: datetime) -> bool:
    first, second = (value.replace(fold=fold).utcoffset() for fold in (0, 1))
    return (first or timedelta()) > (second or timedelta())


def _aware(value: datetime) -> datetime:
    if value.utcoffset() is None:
        raise ValueError(f"an instant must name its zone, got {value.isoformat()}")
    return value
