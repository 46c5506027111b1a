"""The Markdown that a CI page shows, of studies in each state."""

import pytest

from service.report.pages.ci_summary import summary_page
from service.wire.views.report import StudyReport

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


def test_the_table_of_importances_says_how_sure_they_are(completed: StudyReport) -> None:
    mattered = summary_page(completed, None).partition("### What mattered")[2]
    rows = [line for line in mattered.splitlines() if line.startswith("| maml")]
    assert rows and all(row.count(" … ") == 1 for row in rows)


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
