"""The report in a real browser, opened from disk as a user would."""

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine

from service.db.engine import reading, transaction
from service.operations.report import read_rows
from service.report.data import study_report
from service.report.pages.html import html_page
from tests.fakes.rows import NOON, add_study
from tests.fakes.seen import EVIL, STUDY, add_seen_study, complete

pytestmark = pytest.mark.browser


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    return sqlite_url


def written(engine: Engine, path: Path) -> Path:
    with reading(engine) as session:
        rows = read_rows(session, STUDY)
    path.write_text(html_page(study_report(rows, now=NOON)), encoding="utf-8")
    return path


def opened(chromium: Any, path: Path, **options: Any) -> tuple[Any, list[str]]:
    """Open the file; return the page and what went wrong or left the machine."""
    page = chromium.new_page(**options)
    page.set_default_timeout(120_000)
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(f"script: {error}"))
    page.on("console", lambda said: complaints.append(f"{said.type}: {said.text}"))
    page.on("requestfailed", lambda request: complaints.append(f"failed: {request.url}"))
    page.on("dialog", lambda dialog: complaints.append(f"dialog: {dialog.message}"))
    page.on(
        "request",
        lambda request: (
            complaints.append(request.url)
            if not request.url.startswith(("file:", "data:", "blob:"))
            else None
        ),
    )
    page.goto(path.as_uri())
    page.locator("body[data-drawn]").wait_for()
    return page, complaints


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_figure_is_drawn_and_nothing_is_asked_for(
    chromium: Any, engine: Engine, tmp_path: Path, scheme: str
) -> None:
    with transaction(engine) as session:
        complete(session, add_seen_study(session))
    path = written(engine, tmp_path / "report.html")
    size = {"width": 1280, "height": 800}
    page, complaints = opened(chromium, path, viewport=size, color_scheme=scheme)
    assert page.locator(".figure").count() == 8
    for number in range(page.locator(".figure").count()):
        marks = page.locator(f"#figure-{number} :is(.point, .points path, .js-line)")
        assert marks.count() > 0, number
    assert EVIL in page.locator("h1").inner_text()
    wide = page.evaluate("document.documentElement.scrollWidth - innerWidth")
    assert wide <= 0
    ink = page.evaluate("document.querySelector('.xtick text').style.fill")
    paper = page.evaluate("getComputedStyle(document.documentElement).backgroundColor")
    assert (brightness(ink) > 128) is (scheme == "dark")
    assert (brightness(paper) < 128) is (scheme == "dark")
    page.screenshot(path=tmp_path / "report.png", full_page=True)
    page.close()
    assert complaints == []


def test_a_phone_and_a_study_without_trials_are_no_trouble(
    chromium: Any, engine: Engine, tmp_path: Path
) -> None:
    with transaction(engine) as session:
        add_study(session, status="queued")
    path = written(engine, tmp_path / "report.html")
    page, complaints = opened(chromium, path, viewport={"width": 400, "height": 800})
    assert page.locator(".figure").count() == 0
    assert "no trial has begun" in page.locator("#absent").inner_text()
    assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
    page.close()
    assert complaints == []


def brightness(colour: str) -> float:
    numbers = colour[colour.index("(") + 1 : colour.index(")")].split(",")[:3]
    return sum(float(number) for number in numbers) / 3
