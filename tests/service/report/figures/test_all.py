"""Figures: plotly takes every one, and each shows what the data say."""

import json

import plotly.graph_objects as go
import pytest

from service.report.figures.all import figures
from service.report.figures.base import Figure
from service.wire.views.report import StudyReport


def of_part(report: StudyReport, part: str) -> list[Figure]:
    return [figure for figure in figures(report) if figure.part == part]


@pytest.mark.parametrize("state", ["empty", "failed", "running", "completed"])
def test_plotly_takes_every_figure(state: str, request: pytest.FixtureRequest) -> None:
    for figure in figures(request.getfixturevalue(state)):
        taken = go.Figure({"data": figure.data, "layout": figure.layout})
        assert len(taken.data) == len(figure.data) > 0
        json.dumps(figure.data, allow_nan=False)


def test_a_completed_study_has_a_figure_for_each_part(completed: StudyReport) -> None:
    assert [figure.part for figure in figures(completed)] == [
        "verdict", "learning_curves", "adaptation", "importances", "stability", "cost", "slices",
        "slices",
    ]  # fmt: skip


def test_an_empty_study_has_no_figures(empty: StudyReport) -> None:
    assert figures(empty) == []


def test_finalists_are_drawn_twice_with_their_intervals(completed: StudyReport) -> None:
    search, sealed = of_part(completed, "verdict")[0].data
    assert search["x"] == [0.5, 0.5] and sealed["x"] == pytest.approx([0.65, 0.75])
    assert sealed["error_x"]["arrayminus"] == pytest.approx([0.15, 0.25])


def test_the_best_trial_is_bold_and_thousands_would_be_one_trace(completed: StudyReport) -> None:
    traces = of_part(completed, "learning_curves")[0].data
    assert [trace.get("name") for trace in traces] == [
        "maml: 9 other trials", None, "maml: trial 5", "reptile: trial 14",
    ]  # fmt: skip
    assert traces[0]["x"].count(None) == 9


def test_the_map_has_the_frontier(completed: StudyReport) -> None:
    names = [trace["name"] for trace in of_part(completed, "stability")[0].data]
    assert names == ["trained (10)", "diverged (4)", "frontier"]


def test_what_a_user_wrote_is_not_markup_in_a_figure(completed: StudyReport) -> None:
    assert "<img" not in json.dumps([figure.data for figure in figures(completed)])
