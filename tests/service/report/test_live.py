"""A study on our own page: the report's figures and words, cheap enough to be asked for often."""

from datetime import timedelta

import pytest
from sqlalchemy import Engine

from service.db.engine import reading, transaction
from service.db.tables import Study
from service.operations.report import read_rows
from service.report.figures.all import figures
from service.report.figures.base import COLOURS
from service.report.live import MOST_CURVES, study_page
from service.wire.views.page import StudyPage
from service.wire.views.report import StudyReport
from tests.fakes.rows import NOON, add_study, finish_study
from tests.fakes.schedules import gates
from tests.fakes.seen import STUDY
from tests.service.wire.words.test_meta_learning import WAYS


def page_of(engine: Engine, most_curves: int = MOST_CURVES) -> StudyPage:
    with reading(engine) as session:
        rows = read_rows(session, STUDY)
    return study_page(rows, now=NOON + timedelta(minutes=5), most_curves=most_curves)


def test_a_study_that_ended_shows_the_figures_of_its_report(
    engine: Engine, completed: StudyReport
) -> None:
    page = page_of(engine)
    assert set(page.parts) == {"verdict", "learning_curves", "adaptation"}
    for figure in figures(completed):
        if figure.part in ("verdict", "adaptation"):
            [shown] = page.parts[figure.part].figures
            assert (shown.data, shown.layout) == (figure.data, figure.layout)
    assert page.score == "0.65" and page.sentences[0].startswith("The best configuration is trial")
    assert page.finalists is not None and "broken" not in page.finalists.header
    assert [row[1].text for row in page.finalists.rows] == ["5", "4"]


@pytest.mark.usefixtures("completed")
def test_what_meta_learning_was_worth_has_a_table_where_the_spec_asks(engine: Engine) -> None:
    assert page_of(engine).worth is None
    with transaction(engine) as session:
        study = session.get_one(Study, STUDY)
        study.result = {**(study.result or {}), "without_meta_learning": list(WAYS)}
    table = page_of(engine).worth
    assert table is not None and len(table.header) == len(table.rows[0])
    assert table.rows[0][0] == "training from scratch (scratch)"


@pytest.mark.usefixtures("running")
def test_before_the_verdict_the_best_of_each_branch_adapts(engine: Engine) -> None:
    page = page_of(engine)
    assert page.finalists is None and page.score is None
    adaptation = page.parts["adaptation"]
    assert adaptation.title == "Adaptation of the best so far"
    [figure] = adaptation.figures
    names = [trace["name"] for trace in figure.data]
    assert names == ["trial 5 · maml", "trial 18 · reptile"]  # nobody has ranked them yet
    assert [trace["line"]["color"] for trace in figure.data] == list(COLOURS[:2])
    assert page.last_points[5].meta_iteration == 90 and 10 not in page.last_points


@pytest.mark.usefixtures("running")
def test_of_many_curves_the_best_of_each_branch_are_drawn(engine: Engine) -> None:
    [figure] = page_of(engine, most_curves=3).parts["learning_curves"].figures
    names = [trace["name"] for trace in figure.data if "name" in trace]
    assert names == ["maml: 1 other trial", "maml: trial 5", "reptile: trial 18"]


@pytest.mark.usefixtures("running")
def test_trials_come_best_first_and_those_without_a_score_not_at_all(engine: Engine) -> None:
    assert page_of(engine).order == [5, 4, 6, 2, 8, 1, 9, 0, 3, 7, 18]


@pytest.mark.usefixtures("empty")
def test_a_study_without_trials_has_a_page(engine: Engine) -> None:
    page = page_of(engine)
    assert page.parts == {} and page.last_points == {}
    assert "queued" in page.sentences[0]


def test_gates_are_in_words(engine: Engine) -> None:
    with transaction(engine) as session:
        study = add_study(session)
        finish_study(session, study, 0)
        study.result = {**study.result, "gates": gates(0.5)}
    words = page_of(engine).gates
    assert words is not None and (words.outcome, words.promotion) == (
        "passed",
        "The candidate is now main@2.",
    )
    assert words.compared.startswith("trial 0, trained afresh 5 times, beside main@1")
