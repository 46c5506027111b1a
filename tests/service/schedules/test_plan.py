"""Which fire times are due, on days when clocks change too, and what a run does."""

from datetime import UTC, datetime, timedelta
from itertools import takewhile
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.db.states import CatchUp, Overlap
from service.schedules import plan
from service.schedules.plan import Decision, decide, due, fire_times, next_fire, run_spec
from tests.fakes.specs import small_spec

BERLIN = "Europe/Berlin"
SPRING = datetime(2026, 3, 28, 12, tzinfo=ZoneInfo(BERLIN))  # 02:00 becomes 03:00 on the 29th
AUTUMN = datetime(2026, 10, 24, 12, tzinfo=ZoneInfo(BERLIN))  # 03:00 becomes 02:00 on the 25th
NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)


def between(cron: str, after: datetime, days: float, zone: str = BERLIN) -> list[datetime]:
    until = after.astimezone(UTC) + timedelta(days=days)
    return list(takewhile(lambda t: t <= until, fire_times(cron, zone, after)))


def local(times: list[datetime], zone: str = BERLIN) -> list[str]:
    return [f"{one.astimezone(ZoneInfo(zone)):%d. %H:%M}" for one in times]


def test_a_time_that_does_not_exist_fires_at_the_next_that_does() -> None:
    assert local(between("30 2 * * *", SPRING, 3)) == ["29. 03:00", "30. 02:30", "31. 02:30"]


def test_a_time_that_comes_twice_fires_once() -> None:
    times = between("30 2 * * *", AUTUMN, 3)
    assert local(times) == ["25. 02:30", "26. 02:30", "27. 02:30"]
    assert times[0] == datetime(2026, 10, 25, 0, 30, tzinfo=UTC)  # the first of the two


@pytest.mark.parametrize("minutes", range(0, 240, 7))
def test_whoever_begins_on_such_a_night_finds_the_same_times(minutes: int) -> None:
    for day in (SPRING, AUTUMN):
        begin = day.astimezone(UTC) + timedelta(hours=11, minutes=minutes)
        later = [one for one in between("30 2 * * *", day, 4) if one > begin]
        assert between("30 2 * * *", begin, 3)[:2] == later[:2]


@pytest.mark.parametrize("day", [SPRING, AUTUMN])
def test_quarters_of_an_hour_are_so_in_real_time(day: datetime) -> None:
    times = between("*/15 * * * *", day, 1)
    assert {b - a for a, b in zip(times, times[1:], strict=False)} == {timedelta(minutes=15)}
    assert len(times) == 96


def test_fire_times_are_read_in_the_time_zone() -> None:
    assert next_fire("0 2 * * *", BERLIN, NOON) == datetime(2026, 5, 5, 0, tzinfo=UTC)
    assert next_fire("0 2 * * *", "UTC", NOON) == datetime(2026, 5, 5, 2, tzinfo=UTC)
    assert next_fire("0 12 * * *", "UTC", NOON) == NOON + timedelta(days=1)


@given(
    zone=st.sampled_from([BERLIN, "America/New_York", "Africa/Cairo", "Asia/Kolkata"]),
    cron=st.sampled_from(["30 2 * * *", "*/20 * * * *", "15 1,2,3 * * SUN", "5 * * * *"]),
    begin=st.datetimes(datetime(2025, 1, 1), datetime(2027, 1, 1)),
    hours=st.integers(1, 400),
)  # fmt: skip
def test_times_do_not_depend_on_where_planning_stopped(
    zone: str, cron: str, begin: datetime, hours: int
) -> None:
    start, cut = begin.replace(tzinfo=UTC), begin.replace(tzinfo=UTC) + timedelta(hours=hours / 2)
    whole = between(cron, start, hours / 24, zone)
    parts = between(cron, start, hours / 48, zone) + between(cron, cut, hours / 48, zone)
    assert parts == whole
    assert whole == sorted(set(whole))


def minutes_before(*minutes: float) -> list[datetime]:
    return [NOON - timedelta(minutes=m) for m in minutes]


@pytest.mark.parametrize(
    ("catch_up", "kept"),
    [(CatchUp.SKIP, []), (CatchUp.ONCE, [20]), (CatchUp.ALL, [60, 40, 20])],
)
def test_what_was_missed_runs_as_the_policy_says(catch_up: CatchUp, kept: list[int]) -> None:
    now = NOON - timedelta(minutes=5)
    firings = due("*/20 * * * *", "UTC", NOON - timedelta(minutes=65), now, catch_up)
    assert [one.fire_at for one in firings] == minutes_before(60, 40, 20)
    assert [one.fire_at for one in firings if not one.skipped] == minutes_before(*kept)
    assert all("no dispatcher ran" in one.skipped for one in firings if one.skipped)


def test_a_little_late_is_on_time() -> None:
    after, seconds = NOON - timedelta(minutes=5), plan.GRACE.total_seconds()
    for late, missed in ((0, False), (seconds, False), (seconds + 1, True)):
        now = NOON + timedelta(seconds=late)
        [firing] = due("0 * * * *", "UTC", after, now, CatchUp.SKIP)
        assert bool(firing.skipped) == missed


def test_once_is_once_also_where_one_is_on_time() -> None:
    firings = due("0 * * * *", "UTC", NOON - timedelta(hours=3), NOON, CatchUp.ONCE)
    assert [one.fire_at for one in firings if not one.skipped] == [NOON]


@pytest.mark.parametrize("catch_up", CatchUp)
def test_a_year_of_missed_minutes_costs_little(catch_up: CatchUp) -> None:
    firings = due("* * * * *", BERLIN, NOON - timedelta(days=365), NOON, catch_up)
    assert [one.fire_at for one in firings] == minutes_before(*range(99, -1, -1))
    assert firings[0].skipped is not None and "before it" in firings[0].skipped


def test_rare_times_are_found_however_long_nobody_looked() -> None:
    firings = due("0 0 1 1 *", "UTC", NOON - timedelta(days=3650), NOON, CatchUp.ALL)
    assert len(firings) == 10 and not any(one.skipped for one in firings)


def test_nothing_is_due_before_what_is_planned() -> None:
    assert due("* * * * *", "UTC", NOON, NOON - timedelta(hours=1), CatchUp.ALL) == []
    assert due("0 12 * * *", "UTC", NOON, NOON + timedelta(hours=1), CatchUp.ALL) == []


@pytest.mark.parametrize(
    ("overlap", "busy", "waiting", "decision"),
    [
        (Overlap.SKIP, False, 0, Decision.SUBMIT),
        (Overlap.SKIP, True, 0, Decision.SKIP),
        (Overlap.QUEUE, False, 0, Decision.SUBMIT),
        (Overlap.QUEUE, True, 0, Decision.WAIT),
        (Overlap.QUEUE, False, 1, Decision.WAIT),
        (Overlap.QUEUE, True, plan.MOST_WAITING, Decision.SKIP),
        (Overlap.CANCEL, False, 0, Decision.SUBMIT),
        (Overlap.CANCEL, True, 0, Decision.REPLACE),
    ],
)
def test_what_a_run_does(overlap: Overlap, busy: bool, waiting: int, decision: Decision) -> None:
    assert decide(overlap, busy=busy, waiting=waiting) == decision


def test_each_run_has_its_own_name_and_seed() -> None:
    spec = small_spec(name="x" * 200)
    runs = [run_spec(spec, "a" * 32, NOON + timedelta(hours=h), fresh=True) for h in range(3)]
    assert len({run.seed for run in runs}) == 3
    assert runs[0].name.endswith("x 2026-05-04T12:00:00Z") and len(runs[0].name) == 200
    assert type(spec).model_validate(runs[0].model_dump(mode="json")) == runs[0]
    assert run_spec(spec, "a" * 32, NOON, fresh=False).seed == spec.seed
    ids = {plan.run_study_id(who, NOON + timedelta(seconds=s)) for who in "ab" for s in (0, 1)}
    assert len(ids) == 4 and all(len(one) == 32 for one in ids)
