"""The Markdown that a CI page shows, of studies in each state."""

import pytest

from service.report.pages.ci_summary import summary_page
from service.wire.views.gate_report import GateReport
from service.wire.views.report import StudyReport
from service.wire.words.gates import LIMITS
from tests.fakes.schedules import gates

URL = "http://127.0.0.1:8000/#/studies/x"


def test_a_completed_study_tells_what_was_found_what_mattered_and_what_it_cost(
    completed: StudyReport,
) -> None:
    page = summary_page(completed, URL)
    title = page.splitlines()[0]
    assert title.startswith("## ") and title.endswith("✅ completed")
    configuration = page[page.index("### Best configuration") : page.index("### What mattered")]
    assert "| inner_lr |" in configuration
    assert completed.importances is not None
    names = [one.parameter for branch in completed.importances for one in branch.parameters]
    mattered = page[page.index("### What mattered") :]
    assert names and all(f"| {name} |" in mattered for name in names)
    assert "In all:" in page and f"]({URL})" in page


def test_the_best_is_told_with_the_branch_and_model_that_its_name_does_not_say(
    completed: StudyReport,
) -> None:
    assert "| algorithm | maml |" in summary_page(completed, None)
    assert "| branch | maml |" not in summary_page(completed, None)
    spec = completed.study.spec
    own = {"name": "wide", "model": spec.model.model_copy(update={"widths": [24]})}
    branches = [spec.branches[0].model_copy(update=own), *spec.branches[1:]]
    assert completed.verdict is not None
    best, *others = completed.verdict.finalists
    renamed = best.model_copy(update={"branch": "wide", "algorithm": "maml"})
    verdict = completed.verdict.model_copy(update={"finalists": [renamed, *others]})
    study = completed.study.model_copy(
        update={"spec": spec.model_copy(update={"branches": branches})}
    )
    page = summary_page(completed.model_copy(update={"verdict": verdict, "study": study}), None)
    assert "| branch | wide |" in page and "| algorithm | maml |" in page
    assert "| model | mlp widths=" in page


def test_the_table_of_importances_says_how_sure_they_are(completed: StudyReport) -> None:
    mattered = summary_page(completed, None).partition("### What mattered")[2]
    rows = [line for line in mattered.splitlines() if line.startswith("| maml")]
    assert rows and all(row.count(" … ") == 1 for row in rows)
    assert all("no more than chance (up to" in row for row in rows)


@pytest.mark.parametrize("state", ["empty", "running", "failed"])
def test_a_study_without_a_verdict_says_how_it_stands(
    state: str, request: pytest.FixtureRequest
) -> None:
    report: StudyReport = request.getfixturevalue(state)
    page = summary_page(report, None)
    assert page.splitlines()[0].endswith(f": study {report.study.status}")
    assert "### Best configuration" not in page
    if report.study.error:
        assert report.study.error in page


def test_each_interval_of_the_gates_says_what_it_is(completed: StudyReport) -> None:
    estimate = {"value": 0.1, "stderr": 0.01, "low": 0.08, "high": 0.12}
    answers = [
        {"rule": "no-worse:0.05", "answer": "fail", "why": "+0.1 [0.08, 0.12]",
         "estimate": estimate, "threshold": 0.05},
        {"rule": "better", "answer": "undecided", "why": "a training failed"},
    ]  # fmt: skip
    report = GateReport.model_validate({**gates(0.5), "passed": False, "answers": answers})
    assert completed.verdict is not None
    verdict = completed.verdict.model_copy(update={"gates": report})
    page = summary_page(completed.model_copy(update={"verdict": verdict}), None)
    assert page.splitlines()[0].endswith("❌ gate failed")
    assert f"| `no-worse:0.05` | ❌ fail | +0.1 [0.08, 0.12] ({LIMITS}) |" in page
    assert "| `better` | ❔ undecided | a training failed |" in page
    assert f"|  | mse, two-sided 95 % | candidate minus this, {LIMITS} |" in page
    assert "| baseline main@1 | 0.5 [0.48, 0.52] | +0.1 [0.08, 0.12] |" in page
    assert "it reaches mse 0.65, two-sided 95 % interval [0.5, 0.9] over tasks" in page
