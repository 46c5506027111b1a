"""Pages of the command line: schedules, one schedule with its runs, its control chart."""

import yaml

from service.cli import console
from service.cli.pages import words
from service.wire.views.judged import Estimate
from service.wire.views.schedules import ChartPoint, RunView, ScheduleHistory, ScheduleView
from service.wire.words import numbers


def schedules_page(schedules: list[ScheduleView]) -> None:
    """Print a line for each schedule."""
    header = ("schedule_id", "name", "cron", "time zone", "next", "last run")
    rows = [
        (s.schedule_id, s.name, s.cron, s.time_zone, _next(s), _last(s.last_run)) for s in schedules
    ]
    console.table("", header, rows)


def schedule_page(schedule: ScheduleView, runs: list[RunView]) -> None:
    """Print a schedule: when and how it fires, spec with every default, runs."""
    console.data(f"schedule_id: {schedule.schedule_id}\nname: {schedule.name}")
    console.data(f"cron: {schedule.cron} ({schedule.time_zone})\nnext: {_next(schedule)}")
    for name in ("catch_up", "overlap", "seed"):
        console.data(f"{name}: {getattr(schedule, name)}")
    spec = schedule.spec.model_dump(mode="json")
    text = yaml.safe_dump(spec, sort_keys=False, allow_unicode=True, width=100)
    indented = "\n".join(f"  {line}" for line in text.splitlines())
    console.data(f"spec:\n{indented}")
    for warning in schedule.warnings:
        console.data(f"warning: {warning}")
    console.table("Runs", ("fired", "by", "status", "study_id", "reason"), [_run(r) for r in runs])


def history_page(history: ScheduleHistory) -> None:
    """Print a line for each completed study: what it found, and how the incumbent stands."""
    header = (
        "fired", "study_id", "candidate", "95 %", "baseline", "incumbent", "95 %", "gates", "drift",
    )  # fmt: skip
    rows = [_point(point, history.metric) for point in history.points]
    console.table(f"{history.name}, {history.metric}", header, rows)


def _next(schedule: ScheduleView) -> str:
    return "paused" if schedule.paused else words.instant(schedule.next_fire_at)


def _last(run: RunView | None) -> str:
    return "-" if run is None else f"{words.instant(run.fire_at)} {_status(run)}"


def _status(run: RunView) -> str:
    return f"{run.status}, {run.study_status}" if run.study_status else run.status


def _run(run: RunView) -> tuple[str, ...]:
    by = "hand" if run.manual else "clock"
    return words.instant(run.fire_at), by, _status(run), run.study_id or "-", run.reason or "-"


def _point(point: ChartPoint, metric: str) -> tuple[str, ...]:
    return (
        words.instant(point.fire_at),
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
