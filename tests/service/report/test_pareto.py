"""What trials cost, in the report: as data, as a figure, in the page and as Markdown."""

import json
from typing import Any

import plotly.graph_objects as go
from sqlalchemy import Engine

from service.db.engine import transaction
from service.report.figures.pareto import pareto_figures
from service.report.pages.html import html_page
from service.report.pages.markdown import markdown_page
from service.wire.views.report import StudyReport
from tests.fakes.rows import add_report, add_study, add_trial, end_trial
from tests.fakes.specs import SPEC
from tests.service.report.conftest import report_of

TWO = ["score", "adaptation_examples"]


def report(engine: Engine, **goals: Any) -> StudyReport:
    with transaction(engine) as session:
        add_study(session, spec={**SPEC, **goals})
        for number, (score, cost) in enumerate([(1.0, 50.0), (2.0, 5.0), (3.0, 30.0)]):
            trial = add_trial(session, number)
            add_report(session, trial, 90, score)
            end_trial(session, trial, "completed", metrics={"adaptation_examples": cost})
        running = add_trial(session, 3)
        add_report(session, running, 10, 0.5)
    return report_of(engine)


def test_the_front_is_marked_among_all_that_completed(engine: Engine) -> None:
    found = report(engine, objectives=TWO)
    assert found.pareto is not None and found.pareto.objectives == TWO
    assert {p.trial_number: p.on_front for p in found.pareto.points} == {0: True, 1: True, 2: False}
    assert found.pareto.points[0].values == {"score": 1.0, "adaptation_examples": 50.0}
    (figure,) = pareto_figures(found)
    assert [trace["name"] for trace in figure.data] == ["maml: Pareto set", "maml: other"]
    assert figure.data[0]["x"] == [50.0, 5.0] and figure.data[0]["y"] == [1.0, 2.0]
    taken = go.Figure({"data": figure.data, "layout": figure.layout})
    assert len(taken.data) == 2


def test_what_breaks_a_bound_is_marked_and_the_bound_is_drawn(engine: Engine) -> None:
    found = report(engine, constraints={"adaptation_examples": 30})
    assert found.pareto is not None
    assert [point.broken for point in found.pareto.points] == [["adaptation_examples"], [], []]
    assert not any(point.on_front for point in found.pareto.points)
    (figure,) = pareto_figures(found)
    assert [trace["name"] for trace in figure.data] == ["maml: other", "maml: breaks a bound"]
    assert figure.layout["shapes"][0]["x0"] == 30.0
    assert "exceeds adaptation_examples" in json.dumps(figure.data)


def test_pages_show_it_and_say_why_it_is_not_there(engine: Engine) -> None:
    found = report(engine, objectives=TWO)
    assert 'id="pareto"' in html_page(found)
    text = markdown_page(found)
    assert "## What it costs" in text
    lines = [line for line in text.splitlines() if "inner_lr" in line and "Pareto set" in line]
    assert [line.split("|")[1].strip() for line in lines] == ["0", "1"]


def test_a_study_of_goals_without_a_completed_trial_says_so(engine: Engine) -> None:
    with transaction(engine) as session:
        add_study(session, spec={**SPEC, "objectives": TWO})
    found = report_of(engine)
    assert found.pareto is None and found.absent["pareto"] == "no trial has completed"


def test_with_the_score_alone_nothing_is_said_of_it(engine: Engine) -> None:
    found = report(engine)
    assert found.pareto is None and "pareto" not in found.absent
    assert "What it costs" not in markdown_page(found)
