"""The report as data: what each part holds, and why a part is not there."""

import json
from dataclasses import replace

import pytest
from sqlalchemy import Engine
from structlog.testing import capture_logs

from service.db.engine import reading
from service.operations.report import read_rows
from service.report.data import study_report
from service.wire.views.report import StudyReport
from tests.fakes.seen import STUDY

PARTS = {
    "verdict", "hardest", "learning_curves", "slices", "importances", "stability", "adaptation",
    "cost",
}  # fmt: skip


def part(report: StudyReport, name: str) -> list:
    found = getattr(report, name)
    assert found is not None, name
    return found


def test_a_completed_study_has_every_part(completed: StudyReport) -> None:
    assert completed.absent == {}
    assert completed.verdict is not None and completed.cost is not None
    assert [curve.trial_number for curve in part(completed, "adaptation")] == [5, 4]
    assert part(completed, "adaptation")[0].sealed == [3.0, 0.6]
    assert part(completed, "adaptation")[0].search is not None


def test_a_running_study_lacks_the_verdict_alone_and_says_why(running: StudyReport) -> None:
    assert set(running.absent) == {"verdict", "hardest", "adaptation"}
    assert "the study is running" in running.absent["verdict"]


@pytest.mark.parametrize("state", ["empty", "failed"])
def test_a_study_without_trials_says_of_every_part_why_it_is_absent(
    state: str, request: pytest.FixtureRequest
) -> None:
    report: StudyReport = request.getfixturevalue(state)
    assert set(report.absent) == PARTS
    assert all(report.absent.values())
    if state == "failed":
        assert "no finalist could be trained" in report.absent["verdict"]


def test_learning_curves_are_of_the_search_alone_rung_by_rung_best_first(
    completed: StudyReport,
) -> None:
    curves = part(completed, "learning_curves")
    numbers = [curve.trial_number for curve in curves]
    assert sorted(numbers) == [*range(10), 18]
    ends = [(-len(curve.points), curve.points[-1].score) for curve in curves]
    assert ends == sorted(ends)
    assert [point.meta_iteration for point in curves[0].points] == [10, 30, 90]
    first = curves[0].points[0]
    assert first.low < first.score < first.high


def test_slices_are_of_what_is_searched(completed: StudyReport) -> None:
    slices = {(one.branch, one.parameter): one for one in part(completed, "slices")}
    assert set(slices) == {
        ("maml", "inner_lr"), ("maml", "inner_steps"), ("maml", "order"), ("reptile", "epsilon"),
    }  # fmt: skip
    assert slices["maml", "inner_lr"].log and not slices["maml", "inner_steps"].log
    assert len(slices["maml", "order"].points) == 10
    assert {point.status for point in slices["maml", "order"].points} == {"completed", "pruned"}


def test_importances_are_of_branches_that_have_enough_and_others_say_why(
    running: StudyReport,
) -> None:
    maml, reptile = part(running, "importances")
    assert maml.trials == 18 and maml.reason is None
    assert (maml.resamples, maml.permutations) == (200, 999)
    assert {one.parameter for one in maml.parameters} == {"inner_lr", "inner_steps", "order"}
    assert not any(one.more_than_chance for one in maml.parameters)  # the rate rose with time
    assert reptile.parameters == [] and reptile.pairs == []
    assert reptile.reason == (
        "too few trials to tell: 0 of reptile have ended, about 14 are needed"
    )


def test_the_map_is_of_trials_that_ended(running: StudyReport) -> None:
    (maml,) = part(running, "stability")
    assert [point.trial_number for point in maml.points] == list(range(18))
    assert sum(point.diverged for point in maml.points) == 8


def test_cost_is_by_branch_and_counts_what_was_spent_before_divergence(
    completed: StudyReport,
) -> None:
    assert completed.cost is not None
    maml, reptile = completed.cost.branches
    assert (maml.trials, maml.search_seconds, maml.verdict_seconds) == (18, 27.0, 4.0)
    assert maml.meta_iterations == 8 * 90 + 2 * 10 + 8 * 7 + 4 * 90
    assert (reptile.trials, reptile.meta_iterations) == (1, 10)
    assert completed.cost.device_seconds == 33.0
    assert completed.cost.busy_share == 0.8


@pytest.mark.parametrize("state", ["empty", "failed", "running", "completed"])
def test_the_json_has_finite_numbers_and_comes_back_the_same(
    state: str, request: pytest.FixtureRequest
) -> None:
    report: StudyReport = request.getfixturevalue(state)
    text = report.model_dump_json()

    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    json.loads(text, parse_constant=refuse)
    assert StudyReport.model_validate_json(text) == report


def test_a_part_that_cannot_be_made_leaves_the_others(
    engine: Engine, completed: StudyReport
) -> None:
    with reading(engine) as session:
        rows = replace(read_rows(session, STUDY), curves=None)  # type: ignore[arg-type]
    with capture_logs() as logs:
        broken = study_report(rows, now=completed.made_at)
    assert broken.absent == {
        "adaptation": "it could not be made (AttributeError: 'NoneType' object has no attribute "
        "'get')"
    }
    assert [entry["part"] for entry in logs] == ["adaptation"]
    assert broken.verdict == completed.verdict and broken.importances == completed.importances
