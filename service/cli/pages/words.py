"""Instants, counts and events in words, the same on every page of the command line."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from service.wire.views.result import SearchCost
from service.wire.views.studies import EventView
from service.wire.words import numbers

ROLES = {
    "verdict": " (finalist)",
    "replica": " (again)",
    "candidate": " (candidate)",
    "incumbent": " (baseline)",
}


def search_end(search: SearchCost) -> str:
    """The budget that ended a search, its cost, and where its finalists were compared."""
    spent, took = numbers.seconds(search.device_seconds), numbers.seconds(search.wall_seconds)
    return (
        f"the search ended by its {search.ended_by} budget: {spent} of devices, "
        f"{took} on the clock, {search.meta_iterations} "
        f"meta-iterations; finalists chosen after {search.judged_at} meta-iterations"
    )


def instant(value: datetime | None) -> str:
    """An instant in the user's time zone, to the second."""
    return value.astimezone().strftime("%Y-%m-%d %H:%M:%S") if value else "-"


def counts(of: Mapping[Any, int]) -> str:
    """Numbers of trials by status, or "none"."""
    return numbers.counts(of) or "none"


def sentence(event: EventView, metric: str) -> str | None:
    """An event as a sentence; None for one that says too little."""
    data = event.data
    trial = f"{data.get('branch', '')} trial {data.get('trial_number', '')}".strip()
    trial += ROLES.get(str(data.get("role")), "")
    match event.kind:
        case "trial_started":
            return None
        case "trial_reported":
            score = numbers.score(data.get("score"), metric)
            return f"{trial}: {score} after {data.get('meta_iteration')} meta-iterations"
        case "trial_finished":
            cause = f": {data['cause']}" if data.get("cause") else ""
            return f"{trial} {data.get('status')}{cause}"
        case "worker_lost":
            return f"worker {data.get('slot')} lost: {data.get('cause')}"
        case "budget_changed":
            changes = (f"{k}={'none' if v is None else v}" for k, v in data["budget"].items())
            return f"budget changed: {' '.join(changes)}"
        case "search_ended":
            return f"search ended by its budget: {data.get('by')}"
        case "replicas_started":
            sources = ", ".join(str(n) for n in data.get("trial_numbers", []))
            return f"the noise of training leaves open which is best: again trials {sources}"
        case "verdict_started":
            finalists = ", ".join(str(n) for n in data.get("trial_numbers", []))
            return f"verdict: training trials {finalists} afresh"
        case "gates_looking":
            return (
                f"gates: looking at {data.get('tasks')} tasks with {data.get('trials')} trainings"
            )
        case "gates_passed" | "gate_failed":
            answers = (f"{rule} {answer}" for rule, answer in data.get("answers", {}).items())
            return f"gates: {', '.join(answers)}"
        case "baseline_promoted":
            return f"promoted: it is now {data.get('name')}@{data.get('version')}"
        case "drift_detected":
            return f"drift: {data.get('baseline')}@{data.get('version')} is {data.get('direction')}"
        case "study_failed":
            return f"study failed: {data.get('error')}"
        case _:
            return event.kind.replace("_", " ")
