"""Schedules: a spec that the server submits by itself at the times of a cron expression."""

import re
import zoneinfo
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated, Any, Literal, Self

from cronsim import CronSim, CronSimError
from pydantic import AfterValidator, Field, ValidationError, model_validator

from service.errors import FieldError, InvalidRequest, InvalidSpec
from service.wire.base import Instant, Wire
from service.wire.names import SCHEDULE_NAME
from service.wire.parsing.plain_data import MAX_ERRORS, show
from service.wire.spec.refusals import broken_rules, parse_spec
from service.wire.spec.stored import ShownSpec
from service.wire.spec.study import StudySpec
from service.wire.views.judged import Estimate
from service.wire.views.studies import StudyStatus, View

CatchUp = Literal["skip", "once", "all"]
Overlap = Literal["skip", "queue", "cancel"]
SeedPolicy = Literal["fresh", "fixed"]
RunStatus = Literal["waiting", "submitted", "skipped", "refused"]
Direction = Literal["better", "worse"]

CRON_FORM = "minute hour day-of-month month day-of-week, as 0 2 * * * or 30 6 * * MON-FRI"
ZONE_FORM = "a name of the IANA time zones, as UTC or Europe/Berlin"


def check_cron(text: str) -> str:
    """Return `text` if it is a cron expression that fires at some time.

    Raises:
        ValueError: It is none; says what one looks like.
    """
    if len(text.split()) != 5 or not text.isascii() or not text.isprintable():
        raise ValueError(f"must have five fields ({CRON_FORM}), got {show(text)}")
    try:
        next(CronSim(text, datetime(2026, 1, 1, tzinfo=UTC)))
    except CronSimError as error:
        cause = str(error).removeprefix("Bad ")
        raise ValueError(f"must be {CRON_FORM}, got a bad {cause} in {show(text)}") from None
    except StopIteration:
        raise ValueError(f"must fire at some time, {show(text)} never does") from None
    return text


def check_time_zone(text: str) -> str:
    """Return `text` if it names a time zone.

    Raises:
        ValueError: It names none.
    """
    try:
        zoneinfo.ZoneInfo(text)
    except (KeyError, ValueError, OSError):  # OSError: a folder of zones, as Europe
        raise ValueError(f"must be {ZONE_FORM}, got {show(text)}") from None
    return text


def _is_no_id(name: str) -> str:
    if re.fullmatch("[0-9a-f]{32}", name):
        raise ValueError(f"must not look like the id of a schedule, got {name}")
    return name


class NewSchedule(Wire):
    """A spec, when to submit it, and what to do where that is not possible.

    Args:
        name: Unique; by it the command line finds the schedule.
        cron: Five fields, read in `time_zone`.  Where clocks are put forward, a time that does
            not exist fires at the first one that does; where they are put back, a time that comes
            twice fires once.  Expressions of every hour or minute (`*`) follow real time.
        catch_up: What becomes of times that were missed since no dispatcher ran: none runs, one
            does for all, or all do, oldest first.
        overlap: What a run does while the study of the run before goes on: it is skipped, waits,
            or cancels that study.
        seed: `fresh` gives each study a seed of its own; with the same one a study would find
            the same again.
        spec: What to submit; its name gets the time at its end.
    """

    name: Annotated[str, SCHEDULE_NAME, AfterValidator(_is_no_id)]
    cron: Annotated[str, Field(max_length=100), AfterValidator(check_cron)]
    time_zone: Annotated[str, Field(max_length=64), AfterValidator(check_time_zone)] = "UTC"
    catch_up: CatchUp = "skip"
    overlap: Overlap = "skip"
    seed: SeedPolicy = "fresh"
    spec: StudySpec

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.catch_up == "all" and self.overlap != "queue":
            raise ValueError(
                "catch_up: all runs what was missed one after the other, which needs "
                f"overlap: queue, got {self.overlap}"
            )
        return self


def parse_schedule(data: Any, parse: Callable[[Any], StudySpec] = parse_spec) -> NewSchedule:
    """The schedule that plain data describes, defaults filled in.

    Args:
        parse: Reads its spec.

    Raises:
        InvalidSpec: Its spec breaks rules.
        InvalidRequest: Anything else of it does; `errors` names each field and its rule.
    """
    if not isinstance(data, dict):
        rule = f"must be an object with name, cron and spec, got {show(data)}"
        raise InvalidRequest(f"schedule: {rule}", [FieldError("schedule", rule)])
    whole = {**data, "spec": _spec(data, parse)} if "spec" in data else data
    try:
        return NewSchedule.model_validate(whole)
    except ValidationError as error:
        broken = broken_rules(error, data, NewSchedule, root="schedule")[:MAX_ERRORS]
        sentence = f"{broken[0].field}: {broken[0].message}"
        raise InvalidRequest(sentence, broken) from None


def _spec(data: dict[str, Any], parse: Callable[[Any], StudySpec]) -> StudySpec:
    try:
        return parse(data["spec"])
    except InvalidSpec as error:
        errors = [FieldError(_below(entry.field), entry.message) for entry in error.errors]
        raise InvalidSpec(f"{errors[0].field}: {errors[0].message}", errors) from None


def _below(field: str) -> str:
    return field if field == "spec" else f"spec.{field}"


class RunView(View):
    """One fire time of a schedule, and what became of it.

    `waiting` for its turn or the dispatcher; `submitted`, as the study `study_id`; `skipped` or
    `refused`, for the `reason`.  `manual` is a run that somebody asked for.
    """

    fire_at: Instant
    manual: bool
    status: RunStatus
    reason: str | None
    study_id: str | None
    study_status: StudyStatus | None
    created_at: Instant


class RunPage(View):
    """Some runs of a schedule, newest first; `next_cursor` asks for more."""

    items: list[RunView]
    next_cursor: str | None


class ScheduleView(View):
    """A schedule with its whole spec; `next_fire_at` is null while it is paused.

    `warnings` say what of the spec has no effect, or may not be meant so.
    """

    schedule_id: str
    name: str
    cron: str
    time_zone: str
    catch_up: CatchUp
    overlap: Overlap
    seed: SeedPolicy
    paused: bool
    version: int
    created_at: Instant
    next_fire_at: Instant | None
    last_run: RunView | None
    warnings: list[str] = []
    spec: ShownSpec


class SchedulePage(View):
    """Some schedules, newest first; `next_cursor` asks for more."""

    items: list[ScheduleView]
    next_cursor: str | None


class ChartPoint(View):
    """A completed study of a schedule on its control chart.

    `candidate` is the score of its best finalist, `incumbent` that of the baseline's configuration
    trained again beside it, with `stored` if scores of an earlier study stood in.  Without gates
    `candidate` is the sealed score and the others are null.

    `centre` is what the incumbent of this version of the baseline scored at first.  `moved` says
    that this incumbent lies outside the 95 % limits around it, `drift` that the one before did so
    too, on the same side, and that chance does not explain the two (docs/schedules.md).
    """

    fire_at: Instant
    study_id: str
    candidate: Estimate | None
    incumbent: Estimate | None
    baseline: str | None
    stored: bool
    passed: bool | None
    promoted: str | None
    centre: Estimate | None = None
    moved: Direction | None = None
    drift: bool = False


class ScheduleHistory(View):
    """The control chart of a schedule: its completed studies, oldest first."""

    schedule_id: str
    name: str
    metric: str
    maximize: bool
    time_zone: str = "UTC"
    points: list[ChartPoint]
