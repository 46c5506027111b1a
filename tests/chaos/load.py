"""What is promised under load, in figures of `benchmarks.long_queue` and `event_readers`."""

from typing import Any

Kept = dict[str, bool]


def kept_of_queue(figures: dict[str, Any]) -> Kept:
    """Whether each promise about a long queue was kept; times of requests are milliseconds."""
    return {
        "a study runs within 3 s of the dispatcher's start": figures["running_seconds"] <= 3.0,
        "99 of 100 lists of 50 within 50 ms": figures["list_50"]["p99"] <= 50.0,
        "99 of 100 submits within 100 ms": figures["submit"]["p99"] <= 100.0,
    }


def kept_of_readers(figures: dict[str, Any]) -> Kept:
    """Whether each promise about readers of events was kept."""
    return {
        "95 of 100 events within 1 s": figures["p95"] <= 1000.0,
        "no event is lost, also for who comes back": not figures["lost"] + figures["replay_lacks"],
        "the API ends within 5 s with all streams open": figures["stop_seconds"] <= 5.0,
    }
