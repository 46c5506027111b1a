"""Instants, counts and events in words, the same on every page of the command line."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from service import events
from service.wire.views.result import SearchCost
from service.wire.views.studies import EventView
from service.wire.words import instants, numbers


def search_end(search: SearchCost) -> str:
    """The budget that ended a search, its cost, and where its finalists were compared."""
    spent, took = numbers.seconds(search.device_seconds), numbers.seconds(search.wall_seconds)
    by = "an error" if search.ended_by == "error" else f"its {search.ended_by} budget"
    return (
        f"the search ended by {by}: {spent} of devices, "
        f"{took} on the clock, {search.meta_iterations} "
        f"meta-iterations; finalists chosen after {search.judged_at} meta-iterations"
    )


def instant(value: datetime | None) -> str:
    """An instant in the user's time zone, to the second."""
    return instants.instant(value.astimezone()) if value else "-"


def counts(of: Mapping[Any, int]) -> str:
    """Numbers of trials by status, or "none"."""
    return numbers.counts(of) or "none"


def sentence(event: EventView, metric: str) -> str | None:
    """An event as a sentence; None for one that says too little."""
    return events.sentence(event.kind, event.data, lambda score: numbers.score(score, metric))
