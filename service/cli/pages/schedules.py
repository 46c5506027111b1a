"""Pages of the command line: schedules, one schedule with its runs, its control chart."""

from collections.abc import Callable
from datetime import datetime

from service.cli import console
from service.cli.pages.specs import spec_page
from service.wire.views.judged import Estimate
from service.wire.views.schedules import ChartPoint, RunView, ScheduleHistory, ScheduleView
from service.wire.words import instants, numbers


def schedules_page(schedules: list[ScheduleView]) -> None:
    """Print a line for each schedule."""
    header = ("schedule_id", "name", "cron", "time zone", "next", "last run")
    console.table("", header, [_row(schedule) for schedule in schedules])


def schedule_page(schedule: ScheduleView, runs: list[RunView], *, full: bool) -> None:
    """Print a schedule: when and how it fires, its runs, its spec."""
    console.data(f"name: {schedule.name}\nschedule_id: {schedule.schedule_id}")
    console.data(f"cron: {schedule.cron} ({schedule.time_zone})\nnext: {next_fire(schedule)}")
    for name in ("catch_up", "overlap", "seed"):
        console.data(f"{name}: {getattr(schedule, name)}")
    for warning in schedule.warnings:
        console.data(f"warning: {warning}")
    header = ("fired", "by", "status", "study_id", "reason")
    console.table("Runs", header, [_run(run, schedule.time_zone) for run in runs])
    spec_page(schedule.spec, full=full)


def history_page(history: ScheduleHistory) -> None:
    """Print a line for each completed study: what it found, and how the incumbent stands."""
    header = (
        "fired", "study_id", "candidate", "95 %", "baseline", "incumbent", "95 %", "gates", "drift",
    )  # fmt: skip
    rows = [_point(point, history.metric, history.time_zone) for point in history.points]
    console.table(f"{history.name}, {history.metric}", header, rows)


def next_fire(
    schedule: ScheduleView, in_words: Callable[[datetime, str], str] = instants.in_utc_too
) -> str:
    """When a schedule fires next, in its zone."""
    if schedule.next_fire_at is None:
        return "paused" if schedule.paused else "never"
    return in_words(schedule.next_fire_at, schedule.time_zone)


def _row(schedule: ScheduleView) -> tuple[str, ...]:
    fires = next_fire(schedule, instants.fire_time)
    last = _last(schedule)
    return schedule.schedule_id, schedule.name, schedule.cron, schedule.time_zone, fires, last


def _last(schedule: ScheduleView) -> str:
    run = schedule.last_run
    if run is None:
        return "-"
    return f"{instants.fire_time(run.fire_at, schedule.time_zone)} {_status(run)}"


def _status(run: RunView) -> str:
    return f"{run.status}, {run.study_status}" if run.study_status else run.status


def _run(run: RunView, time_zone: str) -> tuple[str, ...]:
    fired = instants.fire_time(run.fire_at, time_zone)
    by = "hand" if run.manual else "clock"
    return fired, by, _status(run), run.study_id or "-", run.reason or "-"


def _point(point: ChartPoint, metric: str, time_zone: str) -> tuple[str, ...]:
    return (
        instants.fire_time(point.fire_at, time_zone),
        point.study_id,
        *_estimate(point.candidate, metric),
        f"{point.baseline or '-'}{' (stored)' if point.stored else ''}",
        *_estimate(point.incumbent, metric),
        _gates(point),
        _drift(point),
    )


def _estimate(of: Estimate | None, metric: str) -> tuple[str, str]:
    if of is None:
        return "-", "-"
    return numbers.score(of.value, metric), numbers.interval(of.low, of.high, metric)


def _gates(point: ChartPoint) -> str:
    if point.passed is None:
        return "-"
    promoted = f", now {point.promoted}" if point.promoted else ""
    return f"{'passed' if point.passed else 'failed'}{promoted}"


def _drift(point: ChartPoint) -> str:
    if point.moved is None:
        return "-"
    return f"drift: {point.moved}" if point.drift else f"moved: {point.moved}"
