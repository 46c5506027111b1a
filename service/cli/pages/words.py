"""Numbers, instants and events in words, the same on every page of the command line."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from service.wire.views.result import SearchCost
from service.wire.views.studies import EventView
from service.wire.words.numbers import difference as difference
from service.wire.words.numbers import first_order as first_order
from service.wire.words.numbers import interval as interval
from service.wire.words.numbers import number as number
from service.wire.words.numbers import params as params
from service.wire.words.numbers import score as score
from service.wire.words.numbers import searched_params as searched_params
from service.wire.words.numbers import seconds as seconds
from service.wire.words.numbers import share as share

ROLES = {
    "verdict": " (finalist)",
    "replica": " (again)",
    "candidate": " (candidate)",
    "incumbent": " (baseline)",
}


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


def sentence(event: EventView, metric: str) -> str | None:
    """Return an event as a sentence, or None for one that says too little."""
    told = event.data
    trial = f"{told.get('branch', '')} trial {told.get('trial_number', '')}".strip()
    trial += ROLES.get(str(told.get("role")), "")
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
        case "replicas_started":
            sources = ", ".join(str(n) for n in told.get("trial_numbers", []))
            return f"the noise of training leaves open which is best: again trials {sources}"
        case "verdict_started":
            finalists = ", ".join(str(n) for n in told.get("trial_numbers", []))
            return f"verdict: training trials {finalists} afresh"
        case "gates_looking":
            return (
                f"gates: looking at {told.get('tasks')} tasks with {told.get('trials')} trainings"
            )
        case "gates_passed" | "gate_failed":
            answers = (f"{rule} {answer}" for rule, answer in told.get("answers", {}).items())
            return f"gates: {', '.join(answers)}"
        case "baseline_promoted":
            return f"promoted: it is now {told.get('name')}@{told.get('version')}"
        case "drift_detected":
            return f"drift: {told.get('baseline')}@{told.get('version')} is {told.get('direction')}"
        case "study_failed":
            return f"study failed: {told.get('error')}"
        case _:
            return event.kind.replace("_", " ")
