"""The control chart of studies with gates, and the event of a drift, on both databases."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Engine

from metaopt.goals import Goals
from service.cron.runner import Runner
from service.db.engine import transaction
from service.operations import schedules
from service.schedules.history import Ended, control_chart, new_drifts
from service.wire.views.schedules import ChartPoint
from tests.fakes.rows import result
from tests.fakes.running import kinds
from tests.fakes.schedules import NOON, HandClock, add, complete, gates, take_over


def ended(*found: dict[str, Any] | None) -> list[Ended]:
    finalist = result(0)["finalists"][0]
    return [
        Ended(NOON + timedelta(days=k), f"{k:032x}", one, finalist) for k, one in enumerate(found)
    ]


def chart(*found: dict[str, Any] | None, maximize: bool = False) -> list[ChartPoint]:
    return control_chart(ended(*found), Goals(maximize))


def test_without_gates_the_sealed_score_is_shown_and_nothing_drifts() -> None:
    points = chart(*[None] * 5)
    candidate = points[0].candidate
    assert candidate is not None and (candidate.value, candidate.low) == (0.65, 0.5)
    assert {(one.incumbent, one.passed, one.moved, one.drift) for one in points} == {
        (None, None, None, False)
    }


def test_a_study_whose_winner_has_no_score_is_on_the_chart() -> None:
    [point] = control_chart([Ended(NOON, "a" * 32, None, None)], Goals(maximize=False))
    assert point.candidate is None


@pytest.mark.parametrize(("maximize", "moved"), [(False, "worse"), (True, "better")])
def test_an_incumbent_that_moved_twice_drifts(maximize: bool, moved: str) -> None:
    points = chart(*[gates(0.5)] * 5, gates(0.7), gates(0.71), gates(0.7), maximize=maximize)
    assert [one.moved for one in points] == [None] * 5 + [moved] * 3
    assert [one.drift for one in points] == [False] * 6 + [True, True]
    assert points[-1].centre is not None and points[-1].centre.value == pytest.approx(0.5)
    [drift] = new_drifts(points)
    assert (drift.point.fire_at, drift.before) == (NOON + timedelta(days=6), 0.7)


def test_another_version_is_another_incumbent() -> None:
    points = chart(*[gates(0.5)] * 5, gates(0.7, version=2), gates(0.7, version=2))
    assert not any(one.moved for one in points)
    assert [one.baseline for one in points[4:]] == ["main@1", "main@2", "main@2"]


def test_stored_scores_say_nothing_about_today() -> None:
    points = chart(*[gates(0.5)] * 5, gates(0.7, stored=True), gates(0.7, stored=True), gates(0.7))
    assert [one.moved for one in points] == [None] * 7 + ["worse"]
    assert not any(one.drift for one in points)
    assert [one.stored for one in points[4:]] == [False, True, True, False]


def test_a_first_run_without_a_baseline_is_on_the_chart() -> None:
    [point] = chart(gates(None))
    assert (point.baseline, point.incumbent, point.promoted) == (None, None, "main@2")


def test_a_wide_interval_counts_more_than_its_standard_error() -> None:
    wide = gates(0.5)
    wide["baseline"]["score"] = {"value": 0.53, "stderr": 0.01, "low": 0.4, "high": 0.66}
    assert not any(one.moved for one in chart(*[gates(0.5)] * 5, wide, wide))
    assert chart(*[gates(0.5)] * 5, gates(0.53))[-1].moved == "worse"


def test_a_drift_is_told_once_by_the_study_that_confirms_it(engine: Engine) -> None:
    clock = HandClock()
    schedule_id = add(engine, clock)
    runner, studies = take_over(engine, clock), []
    for value in [0.5] * 5 + [0.7] * 4:
        clock.go(hours=1)
        runner.step()
        studies.append(complete(engine, value))
    for one in (runner, Runner(engine, runner._epoch, clock), runner):
        one.step()
    told = {k: kinds(engine, study, "drift_detected") for k, study in enumerate(studies)}
    assert [k for k, found in told.items() if found] == [6]
    [data] = told[6]
    assert data.pop("centre") == pytest.approx(0.5)
    assert data == {
        "schedule_id": schedule_id,
        "schedule": "hourly",
        "baseline": "main",
        "version": 1,
        "direction": "worse",
        "score": 0.7,
        "before": 0.7,
    }
    with transaction(engine) as session:
        found = schedules.show_history(session, schedule_id, limit=3)
    assert [one.study_id for one in found.points] == studies[-3:]
    assert [one.drift for one in found.points] == [True] * 3
    assert (found.metric, found.maximize) == ("mse", False)
