"""Every page of a report says what meta-learning was worth, where the spec asks for it."""

from service.report.pages.ci_summary import summary_page
from service.report.pages.html import html_page
from service.report.pages.markdown import markdown_page
from service.wire.views.report import StudyReport
from tests.service.wire.words.test_meta_learning import WAYS, verdict


def test_every_page_has_the_table_where_there_is_one(completed: StudyReport) -> None:
    report, plain = (
        completed.model_copy(update={"verdict": verdict(*rows)}) for rows in (WAYS, ())
    )
    for text in (markdown_page(report), html_page(report), summary_page(report, None)):
        assert "What meta-learning was worth" in text
        assert "training from scratch (scratch)" in text and "not trained" in text
    assert "What meta-learning was worth" not in markdown_page(plain)
