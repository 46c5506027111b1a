"""Numbers and events in words."""

from typing import Any

import pytest

from service.cli.pages import words
from service.wire.views.result import SearchCost
from service.wire.views.studies import EventView
from service.wire.words import numbers
from tests.fakes.rows import NOON


def event(kind: str, **data: Any) -> EventView:
    return EventView(event_id=1, study_id="a", kind=kind, data=data, created_at=NOON)


def test_accuracies_are_in_per_cent_and_errors_are_not() -> None:
    assert numbers.score(0.8125, "accuracy") == "81.2 %"
    assert numbers.score(0.8125, "mse") == "0.8125"
    assert numbers.score(None, "mse") == "-"
    assert numbers.interval(0.5, 0.75, "accuracy") == "[50.0, 75.0]"


@pytest.mark.parametrize(
    ("value", "text"),
    [(4.21, "4.2 s"), (59.99, "60.0 s"), (200, "3 min 20 s"), (7500, "2 h 05 min")],
)
def test_durations_have_the_unit_that_fits(value: float, text: str) -> None:
    assert numbers.seconds(value) == text


def test_an_event_is_a_sentence() -> None:
    told = {"branch": "maml", "trial_number": 3, "role": "search"}
    reported = event("trial_reported", **told, score=0.5, meta_iteration=60)
    assert words.sentence(reported, "accuracy") == "maml trial 3: 50.0 % after 60 meta-iterations"
    diverged = event("trial_finished", **told, status="diverged", cause="not finite")
    assert words.sentence(diverged, "mse") == "maml trial 3 diverged: not finite"
    fresh = event("trial_finished", **{**told, "role": "verdict"}, status="completed", cause=None)
    assert words.sentence(fresh, "mse") == "maml trial 3 (finalist) completed"
    assert words.sentence(event("worker_lost", slot="cpu:0", cause="killed"), "mse") == (
        "worker cpu:0 lost: killed"
    )
    assert words.sentence(event("trial_started", **told), "mse") is None


def test_what_happens_to_a_budget_is_a_sentence() -> None:
    changed = event("budget_changed", budget={"trials": 9, "wall_seconds": None})
    assert words.sentence(changed, "mse") == "budget changed: trials=9 wall_seconds=none"
    ended = event("search_ended", by="device_seconds")
    assert words.sentence(ended, "mse") == "search ended by its budget: device_seconds"
    cost = SearchCost(
        ended_by="stagnation", wall_seconds=4, device_seconds=65, meta_iterations=9, judged_at=60
    )
    assert words.search_end(cost) == (
        "the search ended by its stagnation budget: 1 min 05 s of devices, 4.0 s on the clock, "
        "9 meta-iterations; finalists chosen after 60 meta-iterations"
    )


def test_an_event_of_a_newer_server_is_still_told() -> None:
    drift = event("drift_detected", baseline="main", version=3, direction="worse")
    assert words.sentence(drift, "mse") == "drift: main@3 is worse"
    assert words.sentence(event("study_extended"), "mse") == "study extended"
