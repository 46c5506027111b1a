"""The page of predictions in a real browser, of folders with hostile names."""

from pathlib import Path
from typing import Any

import pytest

from service.cli.main import run
from tests.fakes.pictures import encoded, grey, write_files
from tests.fakes.winners import winner_of, zoo

pytestmark = pytest.mark.browser

EVIL = ['"><script>alert(1)<', "<img src=x onerror=alert(2)>", "{{ 7*7 }}'\u202eevil"]


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 390)])
def test_names_of_folders_are_text_and_nothing_is_asked_for(
    chromium: Any, tmp_path: Path, scheme: str, width: int
) -> None:
    model = winner_of(tmp_path / "w.safetensors", zoo(tmp_path / "zoo"), n_way=3)
    files = {f"{name}/{i}.png": encoded(grey(i)) for i, name in enumerate(EVIL)}
    support = write_files(tmp_path / "support", files)
    path = tmp_path / "page.html"
    assert run(["adapt", str(model), "--support", str(support), "--html", str(path)]) == 0
    page = chromium.new_page(viewport={"width": width, "height": 800}, color_scheme=scheme)
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(f"script: {error}"))
    page.on("console", lambda said: complaints.append(f"{said.type}: {said.text}"))
    page.on("dialog", lambda dialog: complaints.append(f"dialog: {dialog.message}"))
    page.on("requestfailed", lambda request: complaints.append(f"failed: {request.url}"))
    page.on(
        "request",
        lambda request: (
            None if request.url.startswith(("file:", "data:")) else complaints.append(request.url)
        ),
    )
    page.goto(path.as_uri())
    headings = page.locator("#support h3").all_inner_texts()
    assert sorted(headings) == sorted([*EVIL[:2], r"{{ 7*7 }}'\u202eevil"])
    loaded = page.evaluate("[...document.images].every((i) => i.naturalWidth === 3 && i.alt)")
    assert loaded and page.locator("img").count() == 6
    assert page.locator("script").count() == 0
    assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
    paper = page.evaluate("getComputedStyle(document.documentElement).backgroundColor")
    assert (paper == "rgb(15, 17, 22)") is (scheme == "dark")
    page.close()
    assert complaints == []
