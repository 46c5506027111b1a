"""Numbers and events in words, the same on every page of the command line."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from service.wire.result import SearchCost
from service.wire.studies import EventView, StudyView

Value = float | int | str


def number(value: float) -> str:
    """Return a number with four significant digits."""
    return f"{value:.4g}"


def score(value: float | None, metric: str) -> str:
    """Return a score: accuracy in per cent, squared error as it is."""
    if value is None:
        return "-"
    return f"{100 * value:.1f} %" if metric == "accuracy" else number(value)


def interval(low: float, high: float, metric: str) -> str:
    """Return a 95 % interval in brackets."""
    if metric == "accuracy":
        return f"[{100 * low:.1f}, {100 * high:.1f}]"
    return f"[{number(low)}, {number(high)}]"


def params(values: Mapping[str, Value]) -> str:
    """Return parameters as name=value, numbers shortened."""
    shown = ((k, number(v) if isinstance(v, float) else str(v)) for k, v in values.items())
    return " ".join(f"{name}={value}" for name, value in shown)


def share(value: float) -> str:
    """Return a share in per cent."""
    return f"{100 * value:.1f} %"


def seconds(value: float) -> str:
    """Return a duration: 4.2 s, 3 min 20 s, 2 h 05 min."""
    if value < 60:
        return f"{value:.1f} s"
    minutes, rest = divmod(round(value), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    return f"{minutes // 60} h {minutes % 60:02d} min"


def search_end(search: SearchCost) -> str:
    """Return which budget ended a search, at what cost, and where its finalists were compared."""
    return (
        f"the search ended by its {search.ended_by} budget: {seconds(search.device_seconds)} of "
        f"devices, {seconds(search.wall_seconds)} on the clock, {search.meta_iterations} "
        f"meta-iterations; finalists chosen after {search.judged_at} meta-iterations"
    )


def instant(value: datetime | None) -> str:
    """Return an instant in the user's time zone, to the second."""
    return value.astimezone().strftime("%Y-%m-%d %H:%M:%S") if value else "-"


def counts(of: Mapping[Any, int]) -> str:
    """Return how many trials are in each status, those that have any."""
    found = [f"{count} {status}" for status, count in of.items() if count]
    return ", ".join(found) or "none"


def searched_params(study: StudyView, branch: str, values: Mapping[str, Value]) -> dict[str, Value]:
    """Return the parameters that the study searches in this branch."""
    for one in study.spec.branches:
        if one.algorithm == branch:
            searched = one.distributions()
            return {name: value for name, value in values.items() if name in searched}
    return dict(values)


def sentence(event: EventView, metric: str) -> str | None:
    """Return an event as a sentence, or None for one that says too little."""
    told = event.data
    trial = f"{told.get('branch', '')} trial {told.get('trial_number', '')}".strip()
    if told.get("role") == "verdict":
        trial += " (finalist)"
    match event.kind:
        case "trial_started":
            return None
        case "trial_reported":
            found = score(told.get("score"), metric)
            return f"{trial}: {found} after {told.get('meta_iteration')} meta-iterations"
        case "trial_finished":
            cause = f": {told['cause']}" if told.get("cause") else ""
            return f"{trial} {told.get('status')}{cause}"
        case "worker_lost":
            return f"worker {told.get('slot')} lost: {told.get('cause')}"
        case "budget_changed":
            changes = (f"{k}={'none' if v is None else v}" for k, v in told["budget"].items())
            return f"budget changed: {' '.join(changes)}"
        case "search_ended":
            return f"search ended by its budget: {told.get('by')}"
        case "verdict_started":
            finalists = ", ".join(str(n) for n in told.get("trial_numbers", []))
            return f"verdict: training trials {finalists} afresh"
        case "study_failed":
            return f"study failed: {told.get('error')}"
        case _:
            return event.kind.replace("_", " ")
