"""Figures: plotly takes every one, and each shows what the data say."""

import json

import plotly.graph_objects as go
import pytest

from service.report.figures.all import figures
from service.report.figures.base import Figure
from service.wire.views.report import PairImportance, StudyReport

GREY = "138,147,161"


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


def test_what_is_no_more_than_chance_is_grey_and_says_so(completed: StudyReport) -> None:
    maml, reptile = completed.importances or []
    first, *others = maml.parameters
    strong = {"share": 0.6, "low": 0.4, "high": 0.8, "chance": 0.1, "more_than_chance": True}
    pair = PairImportance(
        parameters=("inner_lr", "order"), share=0.3, low=0.1, high=0.4, chance=0.05
    )
    changed = maml.model_copy(
        update={"parameters": [first.model_copy(update=strong), *others], "pairs": [pair]}
    )
    report = completed.model_copy(update={"importances": [changed, reptile]})
    (figure,) = of_part(report, "importances")
    bars, ticks = figure.data
    assert bars["y"][1] == "inner_lr × order · maml" and len(bars["y"]) == 4
    grey = [label for label, c in zip(bars["y"], bars["marker"]["color"], strict=True) if GREY in c]
    labels = [(note["y"], note["text"]) for note in figure.layout["annotations"]]
    assert labels == [(label, "no more than chance") for label in grey] and len(grey) == 2
    assert ticks["y"] == bars["y"] and ticks["x"][0] == 0.1


def test_the_best_trial_is_bold_and_thousands_would_be_one_trace(completed: StudyReport) -> None:
    traces = of_part(completed, "learning_curves")[0].data
    assert [trace.get("name") for trace in traces] == [
        "maml: 9 other trials", None, "maml: trial 5", "reptile: trial 18",
    ]  # fmt: skip
    assert traces[0]["x"].count(None) == 9


def test_the_map_has_the_frontier(completed: StudyReport) -> None:
    names = [trace["name"] for trace in of_part(completed, "stability")[0].data]
    assert names == ["trained (10)", "diverged (8)", "frontier"]


def test_what_a_user_wrote_is_not_markup_in_a_figure(completed: StudyReport) -> None:
    assert "<img" not in json.dumps([figure.data for figure in figures(completed)])
