"""Score against cost in the report: as a figure, in the page and as Markdown."""

import json

import plotly.graph_objects as go

from service.report.figures.cost_front import cost_front_figures
from service.report.pages.html import html_page
from service.report.pages.markdown import markdown_page
from service.wire.views.cost_front import CostFront
from service.wire.views.report import StudyReport


def point(number: int, branch: str, cost: float, score: float, standing: str) -> dict[str, object]:
    return {
        "name": f"trial {number}", "trial_number": number, "branch": branch, "algorithm": branch,
        "cost": cost, "score": score, "low": score - 0.1, "high": score + 0.2,
        "standing": standing,
    }  # fmt: skip


FRONT = CostFront.model_validate(
    {
        "metric": "adaptation_flops",
        "points": [
            point(4, "reptile", 2e6, 0.6, "front"),
            point(5, "maml", 8e6, 0.7, "open"),
            point(6, "maml", 9e7, 0.5, "front"),
        ],
    }
)


def test_the_front_is_a_line_and_each_point_has_its_interval(completed: StudyReport) -> None:
    (figure,) = cost_front_figures(completed.model_copy(update={"cost_front": FRONT}))
    line, *points = figure.data
    assert (line["x"], line["y"]) == ([2e6, 9e7], [0.6, 0.5])
    assert [trace["name"] for trace in points] == [
        "reptile: trial 4", "maml: trial 5", "maml: trial 6",
    ]  # fmt: skip
    assert [trace["marker"].get("symbol") for trace in points] == [None, "circle-open", None]
    assert figure.layout["xaxis"]["type"] == "log"
    assert len(go.Figure({"data": figure.data, "layout": figure.layout}).data) == 4


def test_pages_have_its_table(completed: StudyReport) -> None:
    shown = completed.model_copy(update={"cost_front": FRONT})
    assert 'id="cost_front"' in html_page(shown)
    text = markdown_page(shown)
    assert "## Score against cost" in text
    assert "| trial 5 | maml | 8,000,000 | 0.7 [0.6, 0.9] | cannot be told" in text
    assert json.loads(shown.model_dump_json())["cost_front"]["points"][1]["standing"] == "open"


def test_without_one_nothing_is_shown_or_missed(completed: StudyReport) -> None:
    assert completed.cost_front is None and cost_front_figures(completed) == []
    assert "cost_front" not in completed.absent
    assert "Score against cost" not in markdown_page(completed)
