"""HTML and Markdown: whole, escaped, and asking nobody for anything."""

import json
import re
from html.parser import HTMLParser

import pytest

from service.report.pages.html import html_page
from service.report.pages.markdown import escape, markdown_page
from service.wire.views.report import StudyReport
from tests.fakes.seen import EVIL

LOADING = {"src", "srcset", "action", "data", "poster", "background"}


class Seen(HTMLParser):
    """Tags with their attributes, and the text outside of scripts and styles."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        if self.tags and self.tags[-1][0] not in ("script", "style"):
            self.text += data


def own_part(page: str) -> str:
    """Return the page without the text of plotly.js."""
    return re.sub(r"<script>.*?</script>", "<script></script>", page, flags=re.DOTALL)


@pytest.mark.parametrize("state", ["empty", "failed", "running", "completed"])
def test_the_page_loads_nothing_from_outside(state: str, request: pytest.FixtureRequest) -> None:
    seen = Seen(html_page(request.getfixturevalue(state)))
    for tag, attributes in seen.tags:
        assert not LOADING & set(attributes), (tag, attributes)
        assert (attributes.get("href") or "data:,").startswith("data:")


def test_what_a_user_wrote_is_text_in_the_page(completed: StudyReport) -> None:
    page = html_page(completed)
    seen = Seen(page)
    assert not [tag for tag, _ in seen.tags if tag in ("img", "a")]
    assert EVIL in seen.text
    assert "<img src=x" not in own_part(page)
    assert page.count("</script>") == 3


def test_what_turns_a_stored_name_around_is_shown_escaped(completed: StudyReport) -> None:
    study = completed.study.model_copy(update={"name": "a\u202eb"})
    report = completed.model_copy(update={"study": study})
    for page in (own_part(html_page(report)), markdown_page(report)):
        assert "\u202e" not in page and "a\\u202eb" in page.replace("\\\\", "\\")


def test_the_verdict_comes_before_the_figures(completed: StudyReport) -> None:
    page = own_part(html_page(completed))
    assert page.index("The best configuration is trial 5") < page.index('id="figure-0"')
    (figures,) = re.findall(r'id="figures">(.*?)</script>', page, re.DOTALL)
    assert len(json.loads(figures)) == page.count('class="figure"')
    names = re.findall(r'class="figure" id="figure-\d+" role="img" aria-label="([^"]+)"', page)
    assert len(names) == len(json.loads(figures)) and "Learning curves" in names


def test_what_is_not_shown_says_why(failed: StudyReport) -> None:
    for text in (Seen(html_page(failed)).text, markdown_page(failed)):
        assert "Not shown" in text and "no finalist could be trained" in text


def test_markdown_is_tables_and_sentences(completed: StudyReport) -> None:
    text = markdown_page(completed)
    assert "| 1 | 5 | maml | inner_lr=0.01 inner_steps=2 order=second | 0.5 [0.4, 0.6]" in text
    assert "optimistic by 0.15" in text
    for title in ("Learning curves", "Which parameters mattered", "Stability", "Cost"):
        assert f"## {title}" in text
    assert "In all: 33.0 s of devices" in text
    assert "\n\n\n" not in text


def test_what_a_user_wrote_is_text_in_markdown() -> None:
    assert escape(EVIL) == (
        "\\<img src=x onerror=alert(1)> \\| [x\\](javascript:alert(1)) \\& 'q' \"q\" \\</script>"
    )
    assert escape("# a\n_b_ c_d *e* `f` [g] [h]: i") == (
        "\\# a \\_b\\_ c_d \\*e\\* \\`f\\` [g] [h]: i"
    )
    assert escape("[h]: https://x") == "\\[h]: https://x"


def test_every_table_of_the_markdown_has_as_many_cells_in_each_row(
    completed: StudyReport,
) -> None:
    blocks = [b for b in markdown_page(completed).split("\n\n") if b.startswith("| ")]
    assert len(blocks) == 6
    for block in blocks:
        cells = {len(re.findall(r"(?<!\\)\|", line)) for line in block.splitlines()}
        assert len(cells) == 1, block
