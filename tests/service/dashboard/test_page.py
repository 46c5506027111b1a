"""Our own page: what is served, and how."""

import re

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from plotly.offline import get_plotlyjs

from metaopt.metrics.registry import METRICS
from service.dashboard.page import ASSETS, router
from service.events import EVENTS
from service.report.figures.base import COLOURS
from tests.fakes.gate import opened
from tests.fakes.local import local_client


@pytest.fixture
def page() -> TestClient:
    app = opened(FastAPI(docs_url=None))
    app.include_router(router)
    return local_client(app)


def test_the_root_is_html_that_allows_no_inline_script(page):
    answer = page.get("/")
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.headers["content-security-policy"] == (
        "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
        "img-src 'self' data: blob:; connect-src 'self'; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'"
    )
    assert not re.search(r"<script(?![^>]*src=)|\son\w+=|\sstyle=", answer.text)


def test_everything_the_page_refers_to_is_served(page):
    texts = [asset.content.decode() for asset in ASSETS.values()]
    paths = {f"/{path}" for text in texts for path in re.findall(r"[\"'(]/?(ui/[\w.-]+)", text)}
    assert len(paths) >= 8
    assert {page.get(path).status_code for path in paths} == {200}
    assert {f"/ui/{name}" for name in ASSETS} - paths == {"/ui/index.html", "/ui/docs.html"}


def test_figures_are_drawn_by_the_installed_plotly_package(page):
    answer = page.get("/ui/plotly.js")
    assert answer.headers["content-type"] == "text/javascript; charset=utf-8"
    assert answer.text == get_plotlyjs()
    again = page.get("/ui/plotly.js", headers={"If-None-Match": answer.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


def test_the_operations_of_the_api_are_shown_by_files_of_our_own(page):
    answer = page.get("/docs")
    policy = "content-security-policy"
    assert answer.headers[policy] == page.get("/").headers[policy]
    links = re.findall(r'(?:src|href)="([^"]+)"', answer.text)
    assert {"ui/swagger-ui-bundle.js", "ui/swagger-ui.css", "openapi.json"} <= set(links)
    assert [link for link in links if link.startswith(("/", "http"))] == []  # under any prefix
    assert not re.search(r"<script(?![^>]*src=)|\son\w+=|\sstyle=", answer.text)
    assert len(page.get("/ui/swagger-ui-bundle.js").content) > 1_000_000
    assert page.get("/ui/swagger-ui.css").headers["content-type"] == "text/css; charset=utf-8"


def test_branches_have_the_colours_of_the_figures():
    style = ASSETS["style.css"].content.decode()
    assert re.findall(r"--b\d: (#\w+);", style) == list(COLOURS)


def test_the_page_listens_to_every_kind_of_event(page):
    script = page.get("/ui/events.js").text
    assert re.findall(r'"(\w+)"', script) == [kind.name for kind in EVENTS]


def test_nothing_comes_from_another_host():
    for name, asset in ASSETS.items():
        links = re.findall(r"https?://[^\s\"'`<>$]+", asset.content.decode())
        assert links == [] or name == "icon.svg", name


def test_an_unchanged_file_is_not_sent_again(page):
    first = page.get("/ui/style.css")
    again = page.get("/ui/style.css", headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["cache-control"] == "no-cache"


@pytest.mark.parametrize("name", ["nothing.js", "..%2Fpage.py", "%2e%2e/mount.py"])
def test_only_files_of_the_page_are_served(page, name):
    assert page.get(f"/ui/{name}").status_code == 404


def test_browsers_find_the_icon_by_its_old_name(page):
    assert page.get("/favicon.ico").headers["content-type"] == "image/svg+xml"


def test_the_page_shows_those_metrics_in_per_cent_that_are_shares():
    listed = re.search(r"SHARES = new Set\(\[(.*?)\]\)", ASSETS["format.js"].content.decode())
    assert listed is not None
    shares = {metric.name for metric in METRICS if metric.percent}
    assert set(re.findall(r"\w+", listed[1])) == shares
