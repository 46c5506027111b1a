"""The control chart: what is marked, and how."""

from typing import Any

import plotly.graph_objects as go

from service.report.figures.control import control_figure
from service.wire.views.schedules import ScheduleHistory
from tests.fakes.schedules import gates
from tests.service.schedules.test_history import chart


def history(*reports: dict[str, Any] | None) -> ScheduleHistory:
    return ScheduleHistory(
        schedule_id="b" * 32, name="hourly", metric="mse", maximize=False, points=chart(*reports)
    )


def traces(*reports: dict[str, Any] | None) -> dict[str, dict[str, Any]]:
    figure = control_figure(history(*reports))
    assert figure is not None
    go.Figure(data=figure.data, layout=figure.layout)  # refuses what plotly does not know
    return {trace["name"]: trace for trace in figure.data}


def test_before_any_study_has_ended_there_is_no_chart() -> None:
    assert control_figure(history()) is None


def test_without_gates_there_are_candidates_alone() -> None:
    assert set(traces(None, None)) == {"candidate"}


def test_what_moved_is_ringed_and_what_drifts_is_ringed_bold() -> None:
    drawn = traces(*[gates(0.5)] * 5, gates(0.7), gates(0.71))
    moved, drift = drawn["moved"], drawn["drift"]
    assert (moved["y"], drift["y"]) == ([0.7], [0.71])
    assert moved["marker"]["line"]["width"] < drift["marker"]["line"]["width"]
    assert drawn["incumbent"]["text"][-1].endswith("<br>drift: worse")


def test_stored_scores_are_hollow() -> None:
    symbols = traces(gates(0.5), gates(0.5, stored=True))["incumbent"]["marker"]["symbol"]
    assert symbols == ["circle", "circle-open"]
